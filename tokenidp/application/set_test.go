package application

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/secret"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictyaml"
)

func TestAuthenticationFloor(t *testing.T) {
	cost14 := strings.Replace(bcryptPHP, "$10$", "$14$", 1)
	for _, row := range []struct {
		name, old, new string
		want           time.Duration
	}{
		{"no slow hash", "", "", 250 * time.Millisecond},
		{"cheap", validHash, bcryptPHP, 250 * time.Millisecond},
		{"dear", validHash, cost14, 1824 * time.Millisecond},
		{"two of one application add up", "      - id", slowHashes(1) + "      - {id: b, hash: " + bcryptPHP + "}\n      - id", 2 * (912 + 57) * time.Millisecond},
		{"no more than 5 s", "      - id", slowHashes(5) + "      - id", 5 * time.Second},
		{"an inactive application counts", "active: true\n", "active: false\n    token_endpoint_auth_method: client_secret_post\n    secrets: [{id: a, hash: " + cost14 + "}]\n    scopes: [orders.read]\n  - client_id: other\n", 1824 * time.Millisecond},
		{"the costliest application counts", "    token_lifetime: 30m\n", "  - client_id: other\n    scopes: [orders.read]\n    secrets:\n" + slowHashes(1), 1824 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			set := mustLoad(t, strings.Replace(valid, row.old, row.new, 1))
			if got := set.AuthenticationFloor(); got != row.want {
				t.Errorf("floor %v, want %v", got, row.want)
			}
		})
	}
	if got := new(Set).AuthenticationFloor(); got != 250*time.Millisecond {
		t.Errorf("the floor of no applications is %v", got)
	}
}

func TestSetAnswersForNobody(t *testing.T) {
	set := mustLoad(t, valid)
	for _, clientID := range []string{"", "orders-worke", "orders-worker ", "Orders-Worker", "orders-worker\x00"} {
		if a, ok := set.Application(clientID); ok || a != nil {
			t.Errorf("%q is %v", clientID, a)
		}
	}
}

func TestSetCannotBeChangedThroughItsAnswers(t *testing.T) {
	set := mustLoad(t, strings.Replace(valid, "30m", "2h", 1))
	set.Applications()[0] = nil
	set.Resources()[0] = nil
	set.Files()[0] = ""
	set.Warnings()[0].Text = ""
	if set.Applications()[0] == nil || set.Resources()[0] == nil || set.Files()[0] == "" || set.Warnings()[0].Text == "" {
		t.Error("it was changed")
	}
}

// many returns n Applications with a secret each, in no order.
func many(t testing.TB, n int) *Set {
	t.Helper()
	hash, err := secret.HashGenerated(generated)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("resources: [{name: a-api, scopes: [{name: a.read}, {name: a.write}]}]\napplications:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - client_id: client-%05d\n    secrets: [{id: a, hash: %q}]\n    scopes: [a.read, a.write]\n", (i*7919)%n, hash)
	}
	return mustLoad(t, text.String())
}

func TestTenThousandApplications(t *testing.T) {
	const n = 10_000
	set := many(t, n)
	all := set.Applications()
	if len(all) != n {
		t.Fatalf("%d applications", len(all))
	}
	for i, a := range all {
		if want := fmt.Sprintf("client-%05d", i); a.ClientID != want {
			t.Fatalf("number %d is %s", i, a.ClientID)
		}
		if found, ok := set.Application(a.ClientID); !ok || found != a {
			t.Fatalf("%s is not found", a.ClientID)
		}
	}
	warnings := set.Warnings()
	if last := warnings[len(warnings)-1]; len(warnings) != strictyaml.MaxProblems+1 || last.String() != "… and 8999 more" {
		t.Errorf("%d warnings about the secret they share, the last being %q", len(warnings), last)
	}
}

func BenchmarkAuthenticateAndGrant(b *testing.B) {
	set := many(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		a, _ := set.Application("client-05000")
		if _, match := a.Secrets.CheckFast(generated, noon); match != secret.Matched {
			b.Fatal(match)
		}
		if _, err := set.Grant(a, "a.read a.write", nil, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}
