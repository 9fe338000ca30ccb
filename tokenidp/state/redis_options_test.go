package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRedisOptions(t *testing.T) {
	for _, row := range []struct {
		name  string
		o     RedisOptions
		addrs string // with the database
		want  string // error
	}{
		{"one", RedisOptions{URLs: []string{"redis://a"}}, "a:6379 0", ""},
		{"port and database", RedisOptions{URLs: []string{"redis://a:1/3"}}, "a:1 3", ""},
		{"IPv6", RedisOptions{URLs: []string{"redis://[::1]:1"}}, "[::1]:1 0", ""},
		{"TLS", RedisOptions{URLs: []string{"rediss://a"}}, "a:6379 0 tls", ""},
		{"Sentinels", RedisOptions{URLs: []string{"redis://a/2", "redis://b/2"}, SentinelMaster: "m"}, "a:26379 b:26379 2", ""},
		{"Cluster", RedisOptions{URLs: []string{"redis://a", "redis://b/"}}, "a:6379 b:6379 0 cluster", ""},
		{"Cluster of one", RedisOptions{URLs: []string{"redis://a"}, Cluster: true}, "a:6379 0 cluster", ""},
		{"none", RedisOptions{}, "", "needs a URL"},
		{"no URL", RedisOptions{URLs: []string{"redis://a:x"}}, "", "cannot be read"},
		{"a host alone", RedisOptions{URLs: []string{"a:6379"}}, "", "begins with \"a\""},
		{"another scheme", RedisOptions{URLs: []string{"https://a"}}, "", "begins with \"https\""},
		{"no host", RedisOptions{URLs: []string{"redis://:6379"}}, "", "no more than a scheme"},
		{"a query", RedisOptions{URLs: []string{"redis://a?db=1"}}, "", "no more than a scheme"},
		{"a password", RedisOptions{URLs: []string{"redis://:hush@a"}}, "", "holds credentials"},
		{"a password in what is no URL", RedisOptions{URLs: []string{"redis://:hush@a:x"}}, "", "cannot be read"},
		{"a password with a slash", RedisOptions{URLs: []string{"redis://:s3/hush@a:6379/0"}}, "", "cannot be read"},
		{"a password with a slash after a user", RedisOptions{URLs: []string{"redis://user:hush/s3@a:6379/0"}}, "", "cannot be read"},
		{"a password of a number and a slash", RedisOptions{URLs: []string{"redis://user:12/hush@a:6379/0"}}, "", "holds credentials"},
		{"a password with a question mark", RedisOptions{URLs: []string{"redis://user:hush?s3@a"}}, "", "cannot be read"},
		{"a password with a percent sign", RedisOptions{URLs: []string{"redis://:%hush@a"}}, "", "cannot be read"},
		{"a password with a space", RedisOptions{URLs: []string{"redis://:hush s3@a"}}, "", "cannot be read"},
		{"credentials without a scheme", RedisOptions{URLs: []string{"hush:s3@a:6379"}}, "", "holds credentials"},
		{"a database with a name", RedisOptions{URLs: []string{"redis://a/shop"}}, "", `database "shop"`},
		{"a negative database", RedisOptions{URLs: []string{"redis://a/-1"}}, "", `database "-1"`},
		{"two schemes", RedisOptions{URLs: []string{"redis://a", "rediss://b"}}, "", "one scheme"},
		{"two databases", RedisOptions{URLs: []string{"redis://a/1", "redis://b/2"}, SentinelMaster: "m"}, "", "one database"},
		{"a Cluster with a database", RedisOptions{URLs: []string{"redis://a/1"}, Cluster: true}, "", "the database 0 alone"},
	} {
		t.Run(row.name, func(t *testing.T) {
			u, err := row.o.universal()
			if row.want != "" {
				if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hush") {
					t.Errorf("%v, want %s", err, row.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			words := append(slices.Clone(u.Addrs), fmt.Sprint(u.DB))
			if u.TLSConfig != nil {
				words = append(words, "tls")
			}
			if u.IsClusterMode {
				words = append(words, "cluster")
			}
			if got := strings.Join(words, " "); got != row.addrs {
				t.Errorf("%s, want %s", got, row.addrs)
			}
		})
	}
}
