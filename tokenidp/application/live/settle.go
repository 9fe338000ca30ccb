package live

import (
	"slices"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// settle puts as many changes as possible in force. Changes that were rejected before come
// second, so that they do not block others.
func (l *Library) settle(accept func(*application.Set) error) {
	before := l.set
	var fresh, pending []*file
	for _, f := range l.files {
		switch {
		case f.wanted() == f.inForce:
		case f.rejected == nil:
			fresh = append(fresh, f)
		default:
			pending = append(pending, f)
		}
		f.rejected = nil
	}
	pending = append(pending, l.apply(fresh, accept)...)
	for more := true; more && len(pending) > 0; {
		left := l.apply(pending, accept)
		more = len(left) < len(pending)
		pending = left
	}
	if l.set == before {
		// No other change was applied, but an Application may be deactivated, or activated
		// again by a file that is the same as in force.
		if set, err := l.with(nil); err == nil && !slices.Equal(set.Deactivated(), l.set.Deactivated()) {
			l.commit(set, nil)
		}
	}
}

// apply puts the changed files in force, all together, or otherwise in halves. It returns
// those that do not fit. Halving finds one bad file among a hundred with about a dozen
// unions.
func (l *Library) apply(changed []*file, accept func(*application.Set) error) (rejected []*file) {
	if len(changed) == 0 {
		return nil
	}
	set, err := l.with(changed)
	if err == nil && accept != nil {
		err = accept(set)
	}
	switch {
	case err == nil:
		l.commit(set, changed)
		return nil
	case len(changed) == 1:
		changed[0].rejected = err
		return changed
	}
	half := len(changed) / 2
	return slices.Concat(l.apply(changed[:half], accept), l.apply(changed[half:], accept))
}

// with returns the union of what is in force, with the newest versions of the changed
// files.
func (l *Library) with(changed []*file) (*application.Set, error) {
	var parts []application.Part
	for _, f := range l.files {
		v := f.inForce
		if slices.Contains(changed, f) {
			v = f.wanted()
		}
		if v != nil {
			parts = append(parts, application.Part{Document: v.Document, Deactivated: f.off})
		}
	}
	return application.Union(parts)
}

// commit puts a Set in force, with the newest of the changed files.
func (l *Library) commit(set *application.Set, changed []*file) {
	now := l.options.Now()
	l.depart(changed, set, now)
	for _, f := range changed {
		f.inForce, f.rejected, f.loadedAt = f.wanted(), nil, now
	}
	set.Remember(l.set)
	l.set = set
	l.publishVersions()
}
