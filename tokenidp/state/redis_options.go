package state

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"
)

const (
	// DefaultPrefix is the default of RedisOptions.Prefix.
	DefaultPrefix = "tokenidp:"

	// The limits of each wait for Redis while a request is verified, and of their sum.
	redisTimeout   = 500 * time.Millisecond
	requestTimeout = time.Second
	// mostConnections bounds how many requests wait for Redis at once; the others
	// wait for one of them, and no longer.
	mostConnections = 64
)

// RedisOptions configure the connection to Redis.
type RedisOptions struct {
	// URLs are redis://<host>:<port>/<database>, or rediss:// for TLS: one, or several
	// of a Cluster or of Sentinels.
	URLs []string
	// Credentials returns the user and the password. It is called for each new connection.
	// Nil: none.
	Credentials func() (username, password string)
	// SentinelMaster is the name under which Sentinels know Redis. Empty: the URLs are
	// those of Redis itself.
	SentinelMaster                     string
	SentinelUsername, SentinelPassword string
	// Cluster: the URLs are of a Cluster, though there may be only one.
	Cluster bool
	// TLS is for rediss://. Nil: as usual.
	TLS *tls.Config
	// Prefix begins the name of every key. Default: DefaultPrefix.
	Prefix string
	// WaitReplicas is how many replicas must have a revocation before Revoke returns nil.
	WaitReplicas int
	// Logger default: none.
	Logger *zap.Logger
}

// ParseRedisURL parses the URL of a Redis. The error says how to write it.
func ParseRedisURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // which would show parts of the URL, such as those of a password
		return nil, errors.New("the URL of Redis cannot be read; write it as rediss://redis.example.com:6379/0, and credentials into the block: username <name>, and password {file./run/secrets/redis}")
	case u.User != nil || strings.Contains(raw, "@"): // a password with a slash in it makes a path of the rest
		return nil, errors.New("the URL of Redis holds credentials, which the admin endpoint would show; write username <name>, and password {file./run/secrets/redis}, into the block")
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return nil, fmt.Errorf("the URL of Redis begins with %q; write it as rediss://redis.example.com:6379/0, or redis:// without TLS", u.Scheme)
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the URL of Redis must be no more than a scheme, a host, a port and a database; write it as rediss://redis.example.com:6379/0")
	}
	if _, err := database(u); err != nil {
		return nil, err
	}
	return u, nil
}

// database returns the number in the path of the URL.
func database(u *url.URL) (number int, err error) {
	path := strings.Trim(u.Path, "/")
	if path == "" {
		return 0, nil
	}
	if _, err := fmt.Sscanf(path+"\n", "%d\n", &number); err != nil || number < 0 || fmt.Sprint(number) != path {
		return 0, fmt.Errorf("the database %q in the URL of Redis is not a number; write it as rediss://redis.example.com:6379/0", path)
	}
	return number, nil
}

// universal returns the options of the client library. It does not connect.
func (o RedisOptions) universal() (*redis.UniversalOptions, error) {
	if len(o.URLs) == 0 {
		return nil, errors.New("Redis needs a URL; write: state redis rediss://redis.example.com:6379")
	}
	var first *url.URL
	options := &redis.UniversalOptions{
		CredentialsProvider: o.Credentials,
		MasterName:          o.SentinelMaster,
		SentinelUsername:    o.SentinelUsername, SentinelPassword: o.SentinelPassword,
		IsClusterMode: o.Cluster || len(o.URLs) > 1 && o.SentinelMaster == "",

		DialTimeout: redisTimeout, ReadTimeout: redisTimeout, WriteTimeout: redisTimeout, PoolTimeout: redisTimeout,
		ContextTimeoutEnabled: true,
		// After a failure, it is unknown whether a command was carried out, and a reader
		// must first check whether Redis has lost something.
		MaxRetries: -1, DialerRetries: 1,
		PoolSize: mostConnections, MaxActiveConns: mostConnections,
		// Redis and the permissions of its user need few commands.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, raw := range o.URLs {
		u, err := ParseRedisURL(raw)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = u
		}
		if u.Scheme != first.Scheme || strings.Trim(u.Path, "/") != strings.Trim(first.Path, "/") {
			return nil, errors.New("the URLs of Redis must have one scheme and one database; only their hosts may differ")
		}
		port := u.Port()
		if port == "" {
			port = map[bool]string{false: "6379", true: "26379"}[o.SentinelMaster != ""]
		}
		options.Addrs = append(options.Addrs, net.JoinHostPort(u.Hostname(), port))
	}
	var err error
	if options.DB, err = database(first); err != nil {
		return nil, err
	}
	if options.IsClusterMode && options.DB != 0 {
		return nil, errors.New("a Redis Cluster has the database 0 alone; leave it out of the URL")
	}
	if first.Scheme == "rediss" {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.TLS != nil {
			options.TLSConfig = o.TLS
		}
	}
	return options, nil
}

// CheckRedis returns an error for options that cannot work. It does not connect.
func CheckRedis(o RedisOptions) error {
	_, err := o.universal()
	return err
}
