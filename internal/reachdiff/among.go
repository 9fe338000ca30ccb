package reachdiff

import (
	"fmt"
	"hash/maphash"

	"github.com/tokenidp/caddy-tokenidp/internal/reach"
)

// among has the classes of one issuer in an answer.
type among struct {
	classes []*reach.Class // of Applications
	holders *reach.Class   // of unknown clients, or nil
}

func (a answer) classes() []*reach.Class {
	if a.Answer == nil {
		return nil
	}
	return a.Classes
}

func (a answer) among(issuer string) (found among) {
	for _, class := range a.classes() {
		switch {
		case class.Issuer != issuer:
		case class.Holders:
			found.holders = class
		default:
			found.classes = append(found.classes, class)
		}
	}
	return found
}

// allowed returns the clients that get through.
func (a among) allowed() map[string]bool {
	all := make(map[string]bool)
	for _, class := range a.classes {
		if class.Allowed {
			for client := range class.Clients() {
				all[client] = true
			}
		}
	}
	return all
}

func (a among) classOf(client string) *reach.Class {
	for _, class := range a.classes {
		if class.Has(client) {
			return class
		}
	}
	return nil
}

var seed = maphash.MakeSeed()

// fingerprints returns equal values for both sides if the same clients get through in the
// same way: for each way, the sum of the hashes of the clients.
func (a among) fingerprints() map[string]uint64 {
	all := make(map[string]uint64)
	for _, class := range a.classes {
		if class.Allowed {
			key := fmt.Sprintf("%q %q %q", class.Conditions, class.Verdict.Handler, headersOf(class.Verdict))
			for client := range class.Clients() {
				all[key] += maphash.String(seed, client)
			}
		}
	}
	return all
}
