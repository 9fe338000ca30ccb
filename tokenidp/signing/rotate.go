package signing

import (
	"context"
	"fmt"
	"time"
)

// Plan describes a rotation to an operator.
type Plan struct {
	KeyID     string
	Algorithm string
	SignsFrom time.Time
	// Made is false if a successor was waiting already. The plan then describes that one.
	Made bool
	// RefusedFor is how long verifiers elsewhere, which cache the JWK Set for MaxAge, may
	// refuse the tokens of a key that signs at once. It is zero if none does.
	RefusedFor time.Duration
	// Warning says what stops working, and what the operator must do. It may be empty.
	Warning string
}

// Rotate makes the successor of the newest key, with the same algorithm. It signs as soon
// as all verifiers know it. If a successor waits already, Rotate makes none.
//
// With now, for a compromised key, it always makes one, which signs at once. A successor
// that was waiting still takes over at its time. If the keys come from outside, Rotate
// returns ErrOutside.
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
