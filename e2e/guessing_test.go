package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// guessable has a client with a chosen secret beside those of the shop.
func guessable(t *testing.T) *caddy {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("a secret that somebody chose"), 10)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, shopOptions+"localhost:5001 {\n\ttokenidp\n}\n", options{files: map[string]string{
		"applications.yaml": shopApplications + fmt.Sprintf("  - client_id: chosen\n    secrets: [{id: \"1\", hash: %q}]\n    scopes: [orders.read]\n", hash),
	}})
}

// guess is the status of a token request.
func (c *caddy) guess(client *http.Client, id, secret string) int {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders.read"}, "client_id": {id}, "client_secret": {secret}}
	r, err := client.PostForm(c.url("https://localhost:5001/token"), form)
	if err != nil {
		c.t.Error(err)
		return 0
	}
	_ = r.Body.Close()
	return r.StatusCode
}

// mostGuesses returns how many guesses a source may have had tested for one client: ten, and
// another after each six seconds.
func mostGuesses(since time.Time) int { return 10 + int(time.Since(since)/(6*time.Second)) }

// checkGuesses wants no more guesses of the bursts to have been tested, and all others to be
// told to wait, or that too many wait already.
func checkGuesses(t *testing.T, start time.Time, bursts ...map[int]int) {
	t.Helper()
	tested := 0
	for _, statuses := range bursts {
		for status, many := range statuses {
			switch status {
			case http.StatusOK, http.StatusUnauthorized:
				tested += many
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			default:
				t.Errorf("status %d of a guess", status)
			}
		}
	}
	if last := bursts[len(bursts)-1]; tested > mostGuesses(start) || last[http.StatusTooManyRequests] == 0 {
		t.Errorf("%d guesses were tested: %v", tested, bursts)
	}
}

// together asks for all of them, as many at once as one connection of HTTP/2 carries, and
// counts the statuses.
func (c *caddy) together(client *http.Client, many int, id, secret func(i int) string) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := make(map[int]int)
	slots := make(chan struct{}, 200)
	for i := range many {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			status := c.guess(client, id(i), secret(i))
			mu.Lock()
			statuses[status]++
			mu.Unlock()
		})
	}
	all.Wait()
	return statuses
}

// A burst of guesses at once tests no more than the documented ten, and neither it nor a
// flood of ids that nobody has, from the same address, is in the way of a client that is
// right.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	c := guessable(t)
	client := c.client()
	const chosen = "a secret that somebody chose"
	if status := c.guess(client, "chosen", chosen); status != http.StatusOK { // and is remembered
		t.Fatal(status)
	}
	always := func(text string) func(int) string { return func(int) string { return text } }
	start := time.Now()
	first := c.together(client, 20, always("chosen"), func(i int) string { return fmt.Sprint("first ", i) })
	second := c.together(client, 2500, always("chosen"), func(i int) string {
		if i == 1250 {
			return chosen
		}
		return fmt.Sprint("guess ", i)
	})
	checkGuesses(t, start, first, second)
	flood, start := 0, time.Now()
	for round := range 25 { // of as many as find a turn at the slow hash
		id := func(i int) string { return fmt.Sprint("nobody-", round, "-", i) }
		flood += c.together(client, 8, id, always("wrong"))[http.StatusUnauthorized]
	}
	if most := 60 + int(time.Since(start)/time.Second); flood > most {
		t.Errorf("200 ids that nobody has: %d were not limited, and may be %d", flood, most)
	}
	for range 40 { // a replica with an old secret
		c.guess(client, "orders-worker", "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA")
	}
	for _, id := range []string{"orders-worker", "reader"} {
		if status := c.guess(client, id, shopSecret); status != http.StatusOK {
			t.Errorf("%s, with its generated secret: %d", id, status)
		}
	}
}

// A replica with an old secret keeps on trying: the others with the right generated secret
// behind the same address get every token that they ask for.
func TestAStaleReplicaBesideRightOnes(t *testing.T) {
	t.Parallel()
	c := guessable(t)
	var all sync.WaitGroup
	for range 3 {
		stale, right := c.client(), c.client()
		all.Go(func() {
			for range 20 {
				if status := c.guess(stale, "orders-worker", "tidp_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh83zflnA"); status == http.StatusOK {
					t.Error("an old secret got a token")
				}
			}
		})
		all.Go(func() {
			for range 40 {
				if status := c.guess(right, "orders-worker", shopSecret); status != http.StatusOK {
					t.Errorf("the right secret: %d", status)
				}
			}
		})
	}
	all.Wait()
}
