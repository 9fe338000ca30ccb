// Package clientkeys keeps the keys that clients publish at a jwks_uri.
package clientkeys

import (
	"context"
	"errors"
	"net/http"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// Options are what Keys need.
type Options struct {
	Issuer  string // the URL of the issuer that the clients authenticate at
	Storage *storage.Bounded
	// Private allows fetches from private and loopback addresses, and through a proxy.
	Private bool
	// Transport fetches the keys. Default: one that does as Private says.
	Transport http.RoundTripper
	// Predecessor returns the Keys of the configuration that serves now, or nil.
	Predecessor func() *Keys
	Logger      *zap.Logger
}

// Keys are the keys that clients of one issuer publish. There is one source for each URL
// and algorithm, as long as a client names it.
type Keys struct {
	o       Options
	loading chan struct{} // one slot a source that reads the storage
	sources atomic.Pointer[sources]

	mu      sync.Mutex      // guards ctx, and the stop of each source
	ctx     context.Context // of Run; nil before
	running sync.WaitGroup
}

const (
	// mostLoading leaves a storage that hangs to others: see [storage.Bounded].
	mostLoading = 8
	// loadTimeout bounds the reading of one source while Keys run.
	loadTimeout = 30 * time.Second
)

// sources are replaced, never changed.
type sources map[application.PublishedKeys]*source

type source struct {
	*jwks.Source
	logger  *zap.Logger
	private bool               // it may lead to private addresses
	loaded  bool               // what is stored was read, or cannot be
	stop    context.CancelFunc // nil until it runs
}

// New returns Keys without any source.
func New(o Options) *Keys {
	if o.Transport == nil {
		o.Transport = jwks.GuardedTransport()
		if o.Private {
			o.Transport = jwks.Transport(nil)
		}
	}
	k := &Keys{o: o, loading: make(chan struct{}, mostLoading)}
	k.sources.Store(new(sources))
	return k
}

// At returns the source of the keys, or nil if no client in force publishes them.
func (k *Keys) At(published application.PublishedKeys) verifier.KeySource {
	if s := (*k.sources.Load())[published]; s != nil {
		return s
	}
	return nil
}

// Follow adds the sources that are new in the set, and ends those that no client names any
// more. It never waits for the storage or the network, so that it holds up nothing else in
// the set, such as a deactivation. One goroutine may call it at a time. Follow of nil Keys
// does nothing.
func (k *Keys) Follow(set *application.Set) {
	if k == nil {
		return
	}
	before := *k.sources.Load()
	after := make(sources)
	for _, published := range set.PublishedKeys() {
		s := before[published]
		if s == nil {
			s = k.open(published)
		}
		if s != nil {
			after[published] = s
		}
	}
	k.sources.Store(&after)
	k.start()
	k.mu.Lock()
	defer k.mu.Unlock()
	for published, s := range before {
		if after[published] == nil && s.stop != nil {
			s.stop()
		}
	}
}

// open makes a source. It continues from the source of the configuration before. The query
// of the URL may be a credential, so it is in no log and in no name of a folder.
func (k *Keys) open(published application.PublishedKeys) *source {
	shown := weburl.Display(published.URL)
	logger := k.o.Logger.With(zap.String("jwks_uri", shown))
	o := jwks.Options{
		Issuer: shown, JWKSURL: published.URL, MayBeEmpty: true, Algorithms: jws.Algorithms,
		Storage: k.o.Storage, Folder: k.folder(published),
		Transport: k.o.Transport, Logger: logger,
	}
	if published.Algorithm != "" {
		o.Algorithms = []string{published.Algorithm}
	}
	if before := k.before(published); before != nil && (k.o.Private || !before.private) {
		o.Predecessor = before.Source
	}
	opened, err := jwks.New(o)
	if err != nil { // the URL was checked when it was read
		logger.Error("the keys of a client cannot be fetched", zap.Error(err))
		return nil
	}
	return &source{Source: opened, logger: logger, private: k.o.Private}
}

// before returns the source for the same keys of the configuration that serves, or nil.
func (k *Keys) before(published application.PublishedKeys) *source {
	serving := k.o.Predecessor()
	if serving == nil {
		return nil
	}
	return (*serving.sources.Load())[published]
}

// folder returns where the keys are stored. Keys from private addresses have a folder of
// their own, so that they are not found when private addresses are no longer allowed. So
// has each algorithm, because it selects other keys of the set.
func (k *Keys) folder(published application.PublishedKeys) string {
	kind := "clients"
	if k.o.Private {
		kind = "private_clients"
	}
	return path.Join(storage.Folder(k.o.Issuer), kind, storage.FolderNamed(weburl.Display(published.URL), published.URL), published.Algorithm)
}

// Load reads the stored keys before requests ask for them, until ctx ends. Keys that are in
// memory already are read when Run starts.
func (k *Keys) Load(ctx context.Context) {
	var loading sync.WaitGroup
	for _, s := range *k.sources.Load() {
		if s.Health().LastSuccess.IsZero() {
			loading.Go(func() { k.loadOne(ctx, s) })
		}
	}
	loading.Wait()
}

func (k *Keys) loadOne(ctx context.Context, s *source) {
	select {
	case k.loading <- struct{}{}:
		defer func() { <-k.loading }()
	case <-ctx.Done():
	}
	s.loaded = true
	if err := s.Load(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.logger.Warn("the keys kept from before cannot be read; they are fetched from the client", zap.Error(err))
	}
}

// Run keeps the keys fresh until ctx ends, also those that Follow adds meanwhile.
func (k *Keys) Run(ctx context.Context) {
	k.mu.Lock()
	k.ctx = ctx
	k.mu.Unlock()
	k.start()
	<-ctx.Done()
	k.mu.Lock() // what starts now has seen that ctx has ended, or is waited for
	defer k.mu.Unlock()
	k.running.Wait()
}

// start runs the sources that do not run yet.
func (k *Keys) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx == nil || k.ctx.Err() != nil {
		return
	}
	for _, s := range *k.sources.Load() {
		if s.stop == nil {
			ctx, stop := context.WithCancel(k.ctx)
			s.stop = stop
			k.running.Go(func() { k.keep(ctx, s) })
		}
	}
}

// keep reads what is stored of a source, unless Load did, and keeps it fresh. Meanwhile, a
// request that asks for a key makes the source fetch it.
func (k *Keys) keep(ctx context.Context, s *source) {
	if !s.loaded {
		reading, cancel := context.WithTimeout(ctx, loadTimeout)
		k.loadOne(reading, s)
		cancel()
	}
	s.Run(ctx)
}
