package tokenidp

import (
	"context"
	"maps"
	"path"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// clientKeys are the keys that clients of one issuer publish at a jwks_uri: one
// source for each URL, whoever names it, and as long as anybody does.
type clientKeys struct {
	issuer  *Issuer
	ctx     context.Context // ends with the configuration
	running *sync.WaitGroup // nil until it is in force
	sources atomic.Pointer[clientKeySources]
}

// clientKeySources are by URL. They are replaced, never changed.
type clientKeySources map[string]*clientKeySource

type clientKeySource struct {
	*jwks.Source
	stop context.CancelFunc // nil until it runs
}

func newClientKeys(ctx context.Context, iss *Issuer) *clientKeys {
	k := &clientKeys{issuer: iss, ctx: ctx}
	k.sources.Store(new(clientKeySources))
	return k
}

// at finds the keys of a jwks_uri.
func (k *clientKeys) at(url string) verifier.KeySource {
	if s := (*k.sources.Load())[url]; s != nil {
		return s
	}
	return nil
}

// follow begins with the URLs that are new in the set, and ends those that nobody
// names any more. One goroutine calls it at a time.
func (k *clientKeys) follow(set *application.Set) {
	if k == nil {
		return
	}
	before := *k.sources.Load()
	after := make(clientKeySources)
	for _, url := range set.KeysURLs() {
		if after[url] = before[url]; after[url] == nil {
			if after[url] = k.open(url); after[url] == nil {
				delete(after, url)
			}
		}
	}
	k.sources.Store(&after)
	k.runAll()
	for url, source := range before {
		if after[url] == nil && source.stop != nil {
			source.stop()
		}
	}
}

// open makes a source that goes on from the one of the configuration before, or
// from what is stored.
func (k *clientKeys) open(url string) *clientKeySource {
	iss := k.issuer
	logger := iss.logger.With(zap.String("jwks_uri", url))
	o := jwks.Options{
		Issuer: url, JWKSURL: url, Algorithms: jws.Algorithms,
		Storage: iss.bounded, Folder: path.Join(storage.Folder(iss.Issuer), "clients", storage.Folder(url)),
		Transport: jwks.GuardedTransport(), Logger: logger,
	}
	if iss.InsecurePrivateJWKSURI {
		o.Transport = jwks.Transport(nil)
	}
	if offlineFrom(k.ctx) != nil {
		o.Transport = noNetwork{}
	}
	if kept := iss.standing.clientKeys.Load(); kept != nil && (*kept)[url] != nil {
		o.Predecessor = (*kept)[url].Source
	}
	source, err := jwks.New(o)
	if err != nil { // the URL was checked when it was read
		logger.Error("the keys of a client cannot be fetched", zap.Error(err))
		return nil
	}
	reading, cancel := context.WithTimeout(k.ctx, storageTimeout)
	defer cancel()
	if err := source.Load(reading); err != nil {
		logger.Warn("the keys kept from before cannot be read; they are fetched from the client", zap.Error(err))
	}
	return &clientKeySource{Source: source}
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
			k.running.Go(func() { source.Run(ctx) })
		}
	}
	kept := maps.Clone(*sources)
	k.issuer.standing.clientKeys.Store(&kept)
}
