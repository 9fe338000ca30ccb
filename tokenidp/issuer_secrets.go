package tokenidp

import (
	"iter"
	"path"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/lastuse"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// provisionLastUse goes on with the record of the configuration before, if that
// had the same storage.
func (iss *Issuer) provisionLastUse() {
	before := iss.carried.serving.latest()
	if before != nil && before.storage == iss.storage {
		iss.lastUse, iss.lastUseStorage = before.lastUse, before.lastUseStorage
	} else {
		o := lastuse.Options{Logger: iss.logger}
		if before != nil {
			o.Predecessor = before.lastUse
		}
		iss.lastUse, iss.lastUseStorage = lastuse.New(iss.bounded, path.Join(storage.Folder(iss.Issuer), "last_use"), o), iss.bounded
	}
	iss.lastUseSyncer = lastuse.NewSyncer(iss.lastUse, iss.logger)
}

// declaredSecrets names all secrets of the set.
func declaredSecrets(set *application.Set) iter.Seq[lastuse.Secret] {
	return func(yield func(lastuse.Secret) bool) {
		for s := range set.Secrets() {
			if !yield(lastuse.Secret{ClientID: s.Application.ClientID, SecretID: s.ID}) {
				return
			}
		}
	}
}
