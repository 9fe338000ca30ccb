package jwks

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	testFolder = "tokenidp/foreign/idp.localhost"
	testEntry  = testFolder + "/jwks.json"
)

// faultyStorage is file storage that fails as it is told to.
type faultyStorage struct {
	*certmagic.FileStorage
	tb     testing.TB
	mu     sync.Mutex
	before func(ctx context.Context, op string) error // may block
	stores atomic.Int32
}

func newStorage(tb testing.TB) *faultyStorage {
	return &faultyStorage{tb: tb, FileStorage: &certmagic.FileStorage{Path: tb.TempDir()}}
}

func (s *faultyStorage) failing(before func(context.Context, string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

func (s *faultyStorage) do(ctx context.Context, op string) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(ctx, op)
}

// Exists answers "no" to an outage too, so nobody may ask.
func (s *faultyStorage) Exists(context.Context, string) bool {
	s.tb.Error("Exists was called")
	return false
}

func (s *faultyStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.do(ctx, "Load"); err != nil {
		return nil, err
	}
	return s.FileStorage.Load(ctx, key)
}

func (s *faultyStorage) Store(ctx context.Context, key string, value []byte) error {
	s.stores.Add(1)
	if err := s.do(ctx, "Store"); err != nil {
		return err
	}
	return s.FileStorage.Store(ctx, key, value)
}

func stored(s *faultyStorage) func(*Options) {
	return func(o *Options) { o.Storage, o.Folder = s, testFolder }
}

func (s *faultyStorage) read() string {
	s.tb.Helper()
	data, err := os.ReadFile(s.Filename(testEntry))
	if err != nil {
		s.tb.Fatal(err)
	}
	return string(data)
}

func (s *faultyStorage) write(entry string) {
	s.tb.Helper()
	if err := s.FileStorage.Store(context.Background(), testEntry, []byte(entry)); err != nil {
		s.tb.Fatal(err)
	}
}

// fill stores the keys of an issuer, which then goes down.
func (i *issuer) fill(t *testing.T, storage *faultyStorage, kids ...string) {
	t.Helper()
	i.publish("/jwks", newSet(t, kids...))
	s, _ := i.source(t, stored(storage))
	stop := run(t, s)
	synctest.Wait()
	time.Sleep(time.Nanosecond)
	stop()
	i.setDown(true)
}

// The keys that were stored serve, and not for longer than those in memory would.
func TestStoredKeysServeAfterARestartWithTheIssuerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.fill(t, storage, "k1")
		time.Sleep(DefaultMaxStale / 2)
		s, _ := i.source(t, stored(storage))
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(t, s)
		mustKey(t, s, "k1")
		wantOutOfReach(t, s, "k2")
		if h := s.Health(); !h.Restored || h.From != testJWKS || h.Age < DefaultMaxStale/2 || h.LastSuccess.IsZero() {
			t.Errorf("%+v", h)
		}
		time.Sleep(DefaultMaxStale/2 - time.Minute)
		mustKey(t, s, "k1")
		time.Sleep(time.Minute)
		wantOutOfReach(t, s, "k1")
		if storage.stores.Load() != 1 {
			t.Errorf("stored %d times", storage.stores.Load())
		}
		i.setDown(false)
		time.Sleep(maxBackoff)
		mustKey(t, s, "k1")
		if s.Health().Restored {
			t.Error("the issuer has confirmed the keys")
		}
	})
}

func TestStoredKeyThatIsStillThereKeepsItsPointer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.fill(t, storage, "k1")
		i.setDown(false)
		s, _ := i.source(t, stored(storage))
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		key := mustKey(t, s, "k1")
		run(t, s)
		synctest.Wait()
		if h := s.Health(); h.Restored || mustKey(t, s, "k1") != key {
			t.Errorf("%+v", h)
		}
	})
}

// What is in the storage is believed only as far as the network is.
func TestStoredKeysPassTheGate(t *testing.T) {
	year := 365 * 24 * time.Hour
	for name, row := range map[string]struct {
		edit   func(entry string) string
		change func(*Options)
		later  time.Duration
		want   string // "": accepted
	}{
		"as it was":                    {},
		"a day old, less a second":     {later: DefaultMaxStale - time.Second},
		"a day old":                    {later: DefaultMaxStale, want: "too old"},
		"a year old":                   {later: year, want: "too old"},
		"an hour ahead":                {later: -time.Hour},
		"a day ahead":                  {later: -DefaultMaxStale - time.Second, want: "ahead"},
		"a year ahead":                 {later: -year, want: "ahead"},
		"another order of algorithms":  {change: func(o *Options) { o.Algorithms = []string{"ES256", "EdDSA"} }},
		"another issuer's":             {change: func(o *Options) { o.Issuer = "http://other.localhost" }, want: "belongs to issuer"},
		"another issuer, by case":      {edit: replacing(`"http://idp.localhost"`, `"http://IDP.localhost"`), want: "belongs to issuer"},
		"no issuer":                    {edit: replacing(`"issuer"`, `"Issuer"`), want: "belongs to issuer"},
		"from another URL":             {change: func(o *Options) { o.JWKSURL += "2" }, want: "no longer are"},
		"from the URL, now discovered": {change: func(o *Options) { o.JWKSURL = "" }, want: "elsewhere"},
		"discovered, now from the URL": {edit: replacing(`"discovered":false`, `"discovered":true`), want: "elsewhere"},
		"discovered, over http": {
			edit:   func(e string) string { return discovered(strings.Replace(e, testJWKS, "http://evil.example/", 1)) },
			change: func(o *Options) { o.JWKSURL = "" }, want: "must be https",
		},
		"discovered":                   {edit: discovered, change: func(o *Options) { o.JWKSURL = "" }},
		"algorithms no longer allowed": {change: func(o *Options) { o.Algorithms = []string{"RS256"} }, want: "no usable key"},
		"a newer version":              {edit: replacing(`"version":1`, `"version":2`), want: "version"},
		"version as text":              {edit: replacing(`"version":1`, `"version":"1"`), want: "version"},
		"no version":                   {edit: replacing(`"version":1,`, ``), want: "version"},
		"repeated member":              {edit: replacing(`"version":1`, `"version":1,"version":1`), want: "JSON"},
		"no time":                      {edit: replacing(`"fetched_at"`, `"x"`), want: "when it was fetched"},
		"a private key":                {edit: replacing(`"kty"`, `"d":"AQ","kty"`), want: "no usable key"},
		"no keys":                      {edit: func(e string) string { return e[:strings.Index(e, `"keys"`)] + `"keys":[]}` }, want: "no usable key"},
		"truncated":                    {edit: func(e string) string { return e[:len(e)/2] }, want: "JSON"},
		"empty":                        {edit: func(string) string { return "" }, want: "JSON"},
		"zeros":                        {edit: func(e string) string { return strings.Repeat("\x00", len(e)) }, want: "JSON"},
		"huge":                         {edit: func(e string) string { return e + strings.Repeat(" ", maxEntry) }, want: "KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i, storage := newIssuer(t), newStorage(t)
				i.fill(t, storage, "k1")
				if row.edit != nil {
					entry := storage.read()
					if row.edit(entry) == entry {
						t.Fatal("the edit changes nothing")
					}
					storage.write(row.edit(entry))
				}
				s, logs := i.source(t, stored(storage), func(o *Options) {
					o.Now = func() time.Time { return time.Now().Add(row.later) }
					if row.change != nil {
						row.change(o)
					}
				})
				if err := s.Load(t.Context()); err != nil {
					t.Fatal(err)
				}
				warned := logs.FilterMessageSnippet("of no use").All()
				if row.want == "" {
					mustKey(t, s, "k1")
					if len(warned) != 0 {
						t.Errorf("logged %v", warned)
					}
					return
				}
				wantOutOfReach(t, s, "k1")
				if len(warned) != 1 || !strings.Contains(warned[0].ContextMap()["error"].(string), row.want) {
					t.Errorf("logged %v; want %q", warned, row.want)
				}
			})
		})
	}
}

func replacing(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func discovered(entry string) string {
	return strings.Replace(entry, `"discovered":false`, `"discovered":true`, 1)
}

// However often a process starts, a stamp ahead of the clock makes keys serve for
// less than twice maxStale.
func TestStampAheadOfTheClockDoesNotKeepKeysForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.fill(t, storage, "k1")
		offset := -DefaultMaxStale + time.Minute // the clock is set right
		for hours := 0; ; hours++ {
			s, _ := i.source(t, stored(storage), func(o *Options) { o.Now = func() time.Time { return time.Now().Add(offset) } })
			if err := s.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.serving() == nil {
				if hours != 48 {
					t.Errorf("served for %d hours", hours)
				}
				return
			}
			time.Sleep(time.Hour)
		}
	})
}

// Within a process, the monotonic clock counts on from there.
func TestStampAheadOfTheClockCountsAsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.fill(t, storage, "k1")
		s, _ := i.source(t, stored(storage), func(o *Options) { o.Now = func() time.Time { return time.Now().Add(-time.Hour) } })
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultMaxStale - time.Minute)
		mustKey(t, s, "k1")
		time.Sleep(time.Minute)
		wantOutOfReach(t, s, "k1")
	})
}

// What is in memory was fetched later than what the storage holds.
func TestLoadDoesNotReplaceKeysInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.fill(t, storage, "k1")
		i.setDown(false)
		i.publish("/jwks", newSet(t, "k2"))
		before, _ := i.source(t)
		mustKey(t, before, "k2")
		s, _ := i.source(t, stored(storage), func(o *Options) { o.Predecessor = before })
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.serving().without(nil); len(got) != 1 || got[0] != "k2" {
			t.Errorf("serving %q", got)
		}
	})
}

// The age of keys counts from when the issuer was asked, not from when it answered.
func TestEntrySaysWhenTheIssuerWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		set := newSet(t, "k1")
		i.answer("/jwks", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(3 * time.Second)
			_, _ = io.WriteString(w, set)
		})
		asked := time.Now().UTC().Format(time.RFC3339Nano)
		s, _ := i.source(t, stored(storage))
		run(t, s)
		time.Sleep(time.Minute)
		if !strings.Contains(storage.read(), `"fetched_at":"`+asked+`"`) {
			t.Errorf("asked at %s, stored %s", asked, storage.read())
		}
	})
}

func TestEntryIsWrittenWhenItChangesOrGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		a, b := newJWK(t, "a", "EdDSA", nil), newJWK(t, "b", "EdDSA", nil)
		i.publish("/jwks", setOf(t, a, b), "Cache-Control: max-age=600")
		s, _ := i.source(t, stored(storage))
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := run(t, s)
		wrote := func(want int32) {
			t.Helper()
			synctest.Wait()
			if got := storage.stores.Load(); got != want {
				t.Fatalf("at %s: written %d times, want %d", time.Now(), got, want)
			}
		}
		wrote(1)
		i.publish("/jwks", setOf(t, b, a), "Cache-Control: max-age=600")
		time.Sleep(DefaultMaxStale/8 - 11*time.Minute)
		wrote(1) // many fetches, another order, the same keys
		time.Sleep(22 * time.Minute)
		wrote(2) // for its age
		i.publish("/jwks", setOf(t, b), "Cache-Control: max-age=600")
		time.Sleep(10 * time.Minute)
		wrote(3)
		stop()
		if strings.Contains(storage.read(), `"a"`) {
			t.Errorf("stored %s", storage.read())
		}

		restarted, _ := i.source(t, stored(storage))
		if err := restarted.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		run(t, restarted)
		time.Sleep(10 * time.Minute)
		wrote(3) // it knows what is there
	})
}

// Two nodes write one entry, and either may be the last.
func TestTwoNodesShareAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		i.publish("/jwks", newSet(t, "k1"))
		for range 2 {
			s, _ := i.source(t, stored(storage))
			run(t, s)
		}
		time.Sleep(time.Hour)
		i.publish("/jwks", newSet(t, "k2"))
		time.Sleep(time.Hour)
		third, _ := i.source(t, stored(storage))
		if err := third.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := third.serving().key("k2", ""); !ok || third.serving().count != 1 {
			t.Errorf("stored %s", storage.read())
		}
	})
}

// A storage that fails costs the storing, nothing else, and is left in peace.
func TestStorageOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		storage.failing(func(context.Context, string) error { return syscall.EROFS })
		i.publish("/jwks", newSet(t, "k1"), "Cache-Control: max-age=60")
		s, logs := i.source(t, stored(storage))
		if err := s.Load(t.Context()); !errors.Is(err, syscall.EROFS) {
			t.Errorf("Load: %v", err)
		}
		run(t, s)
		synctest.Wait()
		mustKey(t, s, "k1")
		time.Sleep(time.Hour)
		mustKey(t, s, "k1")
		if n := storage.stores.Load(); n < 2 || n > 7 {
			t.Errorf("tried to write %d times in an hour", n)
		}
		if n := logs.FilterMessageSnippet("cannot be stored").Len(); n != 1 {
			t.Errorf("logged %d times", n)
		}
		storage.failing(nil)
		time.Sleep(storeRetry + time.Minute)
		if !strings.Contains(storage.read(), `"k1"`) || logs.FilterMessageSnippet("stored again").Len() != 1 {
			t.Errorf("stored %s", storage.read())
		}
	})
}

// A storage that hangs, deaf to its context, keeps no request and no fetch waiting.
func TestStorageHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		release := make(chan struct{})
		storage.failing(func(context.Context, string) error { <-release; return nil })
		i.publish("/jwks", newSet(t, "k1"))
		s, _ := i.source(t, stored(storage))
		stop := run(t, s)
		synctest.Wait()
		mustKey(t, s, "k1")
		i.publish("/jwks", newSet(t, "k2"))
		time.Sleep(defaultRefresh)
		mustKey(t, s, "k2")
		wantUnknown(t, s, "k1")
		if n := storage.stores.Load(); n != 1 {
			t.Errorf("%d writes hang", n)
		}
		close(release)
		time.Sleep(defaultRefresh)
		stop()
		if !strings.Contains(storage.read(), `"k2"`) {
			t.Errorf("stored %s", storage.read())
		}
	})
}

// Run returns when the write under way has ended, and a write that it ended itself
// is no failure of the storage.
func TestRunAwaitsTheWriteUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		storage.failing(func(ctx context.Context, op string) error {
			if op == "Store" {
				<-ctx.Done()
				time.Sleep(time.Second)
			}
			return ctx.Err()
		})
		i.publish("/jwks", newSet(t, "k1"))
		s, logs := i.source(t, stored(storage))
		stop := run(t, s)
		synctest.Wait()
		before := time.Now()
		stop()
		if took := time.Since(before); took != time.Second {
			t.Errorf("Run ended after %s", took)
		}
		if logs.FilterMessageSnippet("cannot be stored").Len() != 0 {
			t.Errorf("logged %v", logs.All())
		}
	})
}

func TestStoreTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, storage := newIssuer(t), newStorage(t)
		storage.failing(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		i.publish("/jwks", newSet(t, "k1"))
		s, logs := i.source(t, stored(storage))
		run(t, s)
		synctest.Wait()
		time.Sleep(storeTimeout)
		synctest.Wait()
		if logs.FilterMessageSnippet("cannot be stored").Len() != 1 {
			t.Errorf("logged %v", logs.All())
		}
	})
}
