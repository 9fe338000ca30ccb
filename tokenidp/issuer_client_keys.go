package tokenidp

import (
	"context"
	"errors"
	"path"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/weburl"
)

// clientKeys are the keys that clients of one issuer publish at a jwks_uri: one
// source for each URL and algorithm, whoever names them, and as long as anybody does.
type clientKeys struct {
	issuer  *Issuer
	ctx     context.Context // ends with the configuration
	running *sync.WaitGroup // nil until it is in force
	loading chan struct{}   // one slot a source that reads the storage
	sources atomic.Pointer[clientKeySources]
}

// mostLoading leaves a storage that hangs to others: see [storage.Bounded].
const mostLoading = 8

// clientKeySources are replaced, never changed.
type clientKeySources map[application.PublishedKeys]*clientKeySource

type clientKeySource struct {
	*jwks.Source
	logger  *zap.Logger
	private bool               // it may lead to private addresses
	loaded  bool               // what is stored was read, or cannot be
	stop    context.CancelFunc // nil until it runs
}

func newClientKeys(ctx context.Context, iss *Issuer) *clientKeys {
	k := &clientKeys{issuer: iss, ctx: ctx, loading: make(chan struct{}, mostLoading)}
	k.sources.Store(new(clientKeySources))
	return k
}

// at finds the keys of a jwks_uri.
func (k *clientKeys) at(published application.PublishedKeys) verifier.KeySource {
	if s := (*k.sources.Load())[published]; s != nil {
		return s
	}
	return nil
}

// follow begins with the URLs that are new in the set, and ends those that nobody
// names any more. It waits for nothing: whatever else is new in the set, such as a
// deactivation, is to be in force. One goroutine calls it at a time.
func (k *clientKeys) follow(set *application.Set) {
	if k == nil {
		return
	}
	before := *k.sources.Load()
	after := make(clientKeySources)
	for _, published := range set.PublishedKeys() {
		source := before[published]
		if source == nil {
			source = k.open(published)
		}
		if source != nil {
			after[published] = source
		}
	}
	k.sources.Store(&after)
	k.runAll()
	for published, source := range before {
		if after[published] == nil && source.stop != nil {
			source.stop()
		}
	}
}

// open makes a source that goes on from the one of the configuration before. The
// query of the URL may be a credential, so that it is in no log, and neither in the
// name of a folder.
func (k *clientKeys) open(published application.PublishedKeys) *clientKeySource {
	iss, shown := k.issuer, weburl.Display(published.URL)
	logger := iss.logger.With(zap.String("jwks_uri", shown))
	o := jwks.Options{
		Issuer: shown, JWKSURL: published.URL, MayBeEmpty: true, Algorithms: jws.Algorithms,
		Storage: iss.bounded, Folder: k.folder(published),
		Transport: jwks.GuardedTransport(), Logger: logger,
	}
	if published.Algorithm != "" {
		o.Algorithms = []string{published.Algorithm}
	}
	if iss.InsecurePrivateJWKSURI {
		o.Transport = jwks.Transport(nil)
	}
	if offlineFrom(k.ctx) != nil {
		o.Transport = noNetwork{}
	}
	if before := k.before(published); before != nil && (iss.InsecurePrivateJWKSURI || !before.private) {
		o.Predecessor = before.Source
	}
	source, err := jwks.New(o)
	if err != nil { // the URL was checked when it was read
		logger.Error("the keys of a client cannot be fetched", zap.Error(err))
		return nil
	}
	return &clientKeySource{Source: source, logger: logger, private: iss.InsecurePrivateJWKSURI}
}

// before is the source for the same keys of the configuration that serves, or nil.
func (k *clientKeys) before(published application.PublishedKeys) *clientKeySource {
	serving := k.issuer.carried.serving.latest()
	if serving == nil || serving.clientKeys == nil {
		return nil
	}
	return (*serving.clientKeys.sources.Load())[published]
}

// folder is another one where private addresses are allowed: what comes from there is
// not found when they are not any more. And so for another algorithm, which has other
// keys of the set.
func (k *clientKeys) folder(published application.PublishedKeys) string {
	kind := "clients"
	if k.issuer.InsecurePrivateJWKSURI {
		kind = "private_clients"
	}
	return path.Join(storage.Folder(k.issuer.Issuer), kind, storage.FolderNamed(weburl.Display(published.URL), published.URL), published.Algorithm)
}

// load has the clients' keys that are stored, before requests ask for them. Those
// that are in memory already are read when they run, to know what is stored.
func (k *clientKeys) load() {
	reading, cancel := context.WithTimeout(k.ctx, storageTimeout)
	defer cancel()
	var loading sync.WaitGroup
	for _, source := range *k.sources.Load() {
		if source.Health().LastSuccess.IsZero() {
			loading.Go(func() { k.loadOne(reading, source) })
		}
	}
	loading.Wait()
}

func (k *clientKeys) loadOne(ctx context.Context, source *clientKeySource) {
	select {
	case k.loading <- struct{}{}:
		defer func() { <-k.loading }()
	case <-ctx.Done():
	}
	source.loaded = true
	if err := source.Load(ctx); err != nil && !errors.Is(err, context.Canceled) {
		source.logger.Warn("the keys kept from before cannot be read; they are fetched from the client", zap.Error(err))
	}
}

// run keeps the keys fresh while the configuration is in force.
func (k *clientKeys) run(ctx context.Context, running *sync.WaitGroup) {
	if k != nil {
		k.ctx, k.running = ctx, running
		k.runAll()
	}
}

func (k *clientKeys) runAll() {
	if k.running == nil {
		return
	}
	sources := k.sources.Load()
	for _, source := range *sources {
		if source.stop == nil {
			ctx, stop := context.WithCancel(k.ctx)
			source.stop = stop
			k.running.Go(func() { k.keep(ctx, source) })
		}
	}
}

// keep reads what is stored of a source, where that was left, and keeps it fresh.
// Meanwhile, a request that asks for a key has it fetched.
func (k *clientKeys) keep(ctx context.Context, source *clientKeySource) {
	if !source.loaded {
		reading, cancel := context.WithTimeout(ctx, storageTimeout)
		k.loadOne(reading, source)
		cancel()
	}
	source.Run(ctx)
}
