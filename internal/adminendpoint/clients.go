package adminendpoint

import (
	"fmt"
	"iter"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/nearest"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// declares reports whether an issuer of this server has an Application with this client_id.
func declares(app *tokenidp.App, clientID string) bool {
	return slices.ContainsFunc(app.Issuers, func(iss *tokenidp.Issuer) bool {
		set := iss.ApplicationSet()
		if set == nil {
			return false
		}
		_, ok := set.Application(clientID)
		return ok
	})
}

// clientIDs returns the client_ids of all Applications.
func clientIDs(app *tokenidp.App) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, iss := range app.Issuers {
			for id := range clientIDsOf(iss) {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func clientIDsOf(iss *tokenidp.Issuer) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, one := range applicationsOf(iss) {
			if !yield(one.ClientID) {
				return
			}
		}
	}
}

// unknownClient is the error of a client_id that no Application has.
func unknownClient(app *tokenidp.App, clientID string) error {
	return fmt.Errorf("no Application has this client_id: %.255s%s", clientID, nearest.DidYouMean(clientID, clientIDs(app)))
}

// localIssuer returns the issuer of this server that has the URL, or nil for a trusted one.
func localIssuer(app *tokenidp.App, url string) *tokenidp.Issuer {
	for _, iss := range app.Issuers {
		if iss.Issuer == url {
			return iss
		}
	}
	return nil
}

// applicationsOf returns the Applications of an issuer, sorted, or nil if they are not known
// here. The issuer is nil for a trusted one.
func applicationsOf(iss *tokenidp.Issuer) []*application.Application {
	if iss == nil {
		return nil
	}
	set := iss.ApplicationSet()
	if set == nil {
		return nil
	}
	return set.Applications()
}
