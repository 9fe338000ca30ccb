package clientkeys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// slowStorage takes its time to read, and heeds its context.
type slowStorage struct {
	*certmagic.FileStorage
	mu                  sync.Mutex
	takes               time.Duration
	loads, active, most int
}

func newSlowStorage(t *testing.T, takes time.Duration) *slowStorage {
	return &slowStorage{FileStorage: &certmagic.FileStorage{Path: t.TempDir()}, takes: takes}
}

func (s *slowStorage) Load(ctx context.Context, key string) ([]byte, error) {
	s.count(1)
	defer s.count(-1)
	select {
	case <-time.After(s.takes):
		return s.FileStorage.Load(ctx, key)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *slowStorage) count(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads += max(more, 0)
	s.active += more
	s.most = max(s.most, s.active)
}

// read is how many reads there were, and how many at once.
func (s *slowStorage) read() (loads, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads, s.most
}

// names are those of all that is stored.
func (s *slowStorage) names(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(s.Path), ".", func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// noNetwork is a transport that reaches nobody.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("offline") }

// published are Keys where no network is, and what they log.
type published struct {
	*Keys
	t    *testing.T
	logs *observer.ObservedLogs
}

func publish(t *testing.T, s certmagic.Storage, private bool, predecessor *Keys) *published {
	core, logs := observer.New(zap.DebugLevel)
	k := New(Options{
		Issuer: "https://idp.example.com", Storage: storage.NewBounded(s), Private: private, Transport: noNetwork{},
		Predecessor: func() *Keys { return predecessor }, Logger: zap.New(core),
	})
	return &published{k, t, logs}
}

// load reads what is stored, within half a minute.
func (p *published) load() {
	ctx, cancel := context.WithTimeout(p.t.Context(), loadTimeout)
	defer cancel()
	p.Load(ctx)
}

// publishers are Applications with the fields, each.
func publishers(t *testing.T, fields ...string) *application.Set {
	t.Helper()
	text := "resources: [{name: a, scopes: [{name: a.read}]}]\napplications:\n"
	for i, f := range fields {
		text += fmt.Sprintf("  - {client_id: c%d, scopes: [a.read], %s}\n", i, f)
	}
	file := filepath.Join(t.TempDir(), "applications.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := live.NewLibrary([]string{file}, application.Options{}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// store has the storage hold a key, as if it had been fetched from the URL.
func (p *published) store(url, shown, folder, kid string) {
	p.t.Helper()
	private, err := jws.GeneratePrivate("EdDSA")
	if err != nil {
		p.t.Fatal(err)
	}
	key, err := jws.NewKey(kid, "EdDSA", private.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	entry, err := json.Marshal(map[string]any{
		"version": 1, "issuer": shown, "fetched_at": time.Now().UTC(), "fetched_from": url, "discovered": false, "keys": []any{key.JWK()},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.o.Storage.Store(p.t.Context(), folder+"/jwks.json", entry); err != nil {
		p.t.Fatal(err)
	}
}

const testURL = "https://keys.example.com/jwks.json"

// F4: a storage that hangs holds up no change of the Applications.
func TestAHangingStorageHoldsUpNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowStorage(t, 1000*time.Hour)
		o := publish(t, s, false, nil)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		o.Follow(publishers(t, "jwks_uri: \""+testURL+"\""))
		synctest.Wait()
		var urls []string
		for i := range 50 {
			urls = append(urls, fmt.Sprintf("jwks_uri: \"https://keys%d.example.com\"", i))
		}
		start := time.Now()
		o.Follow(publishers(t, append([]string{"active: false"}, urls...)...))
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the change waited for %s", waited)
		}
		synctest.Wait()
		if _, most := s.read(); most < mostLoading || most > mostLoading+1 { // with the first one, which may be ending yet
			t.Errorf("%d reads hang at once", most)
		}
		if key, err := o.At(application.PublishedKeys{URL: "https://keys49.example.com"}).Key(ctx, "k", ""); key != nil || err == nil || time.Since(start) != 0 {
			t.Errorf("%v, %v: a request waited for %s", key, err, time.Since(start))
		}
		stop()
		running.Wait()
		if lines := o.logs.FilterMessageSnippet("cannot be read; they are fetched from the client").Len(); lines != 0 {
			t.Errorf("%d warnings because it ended", lines)
		}
	})
}

// Neither do many URLs hold up the start, nor a reload.
func TestStoredClientKeysAreReadSideBySide(t *testing.T) {
	for name, row := range map[string]struct{ takes, want time.Duration }{
		"slow":    {time.Second, 96 / mostLoading * time.Second},
		"hanging": {1000 * time.Hour, loadTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowStorage(t, row.takes)
				o := publish(t, s, false, nil)
				var urls []string
				for i := range 96 {
					urls = append(urls, fmt.Sprintf("jwks_uri: \"https://keys%d.example.com\"", i))
				}
				start := time.Now()
				o.Follow(publishers(t, urls...))
				o.load()
				if took := time.Since(start); took != row.want {
					t.Errorf("it took %s, not %s", took, row.want)
				}
				if _, most := s.read(); most != mostLoading {
					t.Errorf("%d reads at once", most)
				}
			})
		})
	}
}

// What the configuration before has in memory is not read while one loads; and it is
// only taken over by one that may fetch it itself.
func TestClientKeysAreTakenOverWithThePermissionToFetchThem(t *testing.T) {
	const url = testURL + "?sig=1"
	for name, row := range map[string]struct {
		before, after bool // insecure_private_jwks_uri
		want          bool
	}{
		"public addresses":                  {false, false, true},
		"private ones too":                  {true, true, true},
		"private ones too from now on":      {false, true, true},
		"private ones not allowed any more": {true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, set := newSlowStorage(t, 0), publishers(t, `jwks_uri: "`+url+`"`)
				o := publish(t, s, row.before, nil)
				o.store(url, testURL, o.folder(application.PublishedKeys{URL: url}), "k")
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var running sync.WaitGroup
				o.Follow(set)
				o.load()
				running.Go(func() { o.Run(ctx) })
				synctest.Wait()
				before, _ := s.read()

				after := publish(t, s, row.after, o.Keys)
				after.Follow(set)
				after.load()
				if key, err := after.At(application.PublishedKeys{URL: url}).Key(ctx, "k", ""); (err == nil && key != nil) != row.want {
					t.Errorf("%v, %v", key, err)
				}
				if now, _ := s.read(); now > before == row.want {
					t.Errorf("%d entries were read", now-before)
				}
				stop()
				running.Wait()
			})
		})
	}
}

// The query of a URL may be a credential, as where it is signed for whoever has it.
func TestTheQueryOfAJWKSURIIsShownNowhere(t *testing.T) {
	const url = testURL + "?sig=hidden"
	s := newSlowStorage(t, 0)
	o := publish(t, s, false, nil)
	set := publishers(t, `jwks_uri: "`+url+`"`)
	o.store("https://elsewhere.example.com?sig=hidden", testURL, o.folder(application.PublishedKeys{URL: url}), "k")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	o.Follow(set)
	o.load()
	running.Go(func() { o.Run(ctx) })
	_, err := o.At(application.PublishedKeys{URL: url}).Key(ctx, "k", "")
	if err == nil || !strings.Contains(err.Error(), testURL) {
		t.Error(err)
	}
	stop()
	running.Wait()
	if o.logs.FilterMessageSnippet("of no use").Len() != 1 {
		t.Errorf("the log says %v", o.logs.All())
	}
	if told := fmt.Sprint(errors.Unwrap(err), err, o.logs.All(), s.names(t)); strings.Contains(told, "hidden") {
		t.Errorf("shown in %s", told)
	}
}

// RFC 7591 section 2: an algorithm for all keys of a client, which is also that of those
// that name none. Two clients may have different ones at one URL.
func TestClientKeysAreForTheAlgorithmThatIsDeclared(t *testing.T) {
	s := newSlowStorage(t, 0)
	o, ctx := publish(t, s, false, nil), t.Context()
	set := publishers(t, "jwks_uri: "+testURL, "jwks_uri: "+testURL+", token_endpoint_auth_signing_alg: EdDSA", "jwks_uri: "+testURL+", token_endpoint_auth_signing_alg: PS256")
	for _, keys := range set.PublishedKeys() {
		o.store(testURL, testURL, o.folder(keys), "k")
	}
	o.Follow(set)
	o.load()
	for algorithm, want := range map[string]bool{"": true, "EdDSA": true, "PS256": false} {
		key, err := o.At(application.PublishedKeys{URL: testURL, Algorithm: algorithm}).Key(ctx, "k", "")
		if (err == nil && key.Algorithm == "EdDSA") != want {
			t.Errorf("%q: %v, %v", algorithm, key, err)
		}
	}
}
