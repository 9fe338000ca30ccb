package signing

import (
	"context"
	"fmt"
	"time"
)

// Plan tells an operator what a rotation does.
type Plan struct {
	KeyID     string
	Algorithm string
	SignsFrom time.Time
	// Made is false where a successor was waiting already, and is the one
	// described.
	Made bool
	// RefusedFor is how long others, who keep the JWK Set for MaxAge, may
	// refuse the tokens of a key that signs at once; zero where nothing breaks.
	RefusedFor time.Duration
	// Warning says in words what breaks and what is left to do, or is empty.
	Warning string
}

// Rotate makes the successor of the newest key, of the same algorithm, which
// signs as soon as everyone knows it. Where one waits already, it makes none.
//
// With now, for a key that may be in foreign hands, it always makes one, and that
// signs at once. A successor that waited before takes over still when its time
// comes. Where the keys come from outside, it returns ErrOutside.
func (r *Ring) Rotate(ctx context.Context, now bool) (Plan, error) {
	var plan Plan
	if r.outside != nil {
		return plan, ErrOutside
	}
	err := r.locked(ctx, func(found *listing) error {
		newest, at := r.newest(), r.now()
		if newest == nil {
			return ErrNoKey
		}
		waiting := newest.SignsFrom.After(at) && !r.rotation.farAhead(newest, at)
		if waiting && !now {
			plan = planFor(newest, false)
			return nil
		}
		signsFrom := at
		if !now {
			signsFrom = r.soonest(at)
		}
		k, err := r.makeSuccessor(ctx, found, newest.Algorithm, at, signsFrom)
		if err != nil {
			return err
		}
		plan = planFor(k, true)
		if now {
			plan.warn(waiting, newest)
		}
		return nil
	})
	return plan, err
}

func planFor(k *Key, made bool) Plan {
	return Plan{KeyID: k.ID, Algorithm: k.Algorithm, SignsFrom: k.SignsFrom, Made: made}
}

func (p *Plan) warn(waiting bool, newest *Key) {
	p.RefusedFor = MaxAge
	p.Warning = fmt.Sprintf("for up to %s, resource servers that cached the JWK Set may refuse new tokens; the key before still verifies the tokens it signed", MaxAge)
	if waiting {
		p.Warning += fmt.Sprintf("; the key %s, made before, takes over at %s", newest.ID, newest.SignsFrom.UTC().Format(time.RFC3339))
	}
}
