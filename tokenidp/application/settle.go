package application

import "slices"

// settle puts as much as possible of what changed in force. What was rejected
// before comes second, so that it does not hold up changes that go together.
func (l *Library) settle(accept func(*Set) error) {
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
		// Nothing else was applied, but somebody may have been deactivated, or
		// activated again by a file that is back to what is in force.
		if set, err := l.with(nil); err == nil && !slices.Equal(set.forced, l.set.forced) {
			l.commit(set, nil)
		}
	}
}

// apply puts the changed files in force, all together or else in halves, and
// returns those that could not be. Halving finds one bad file among a hundred
// with a dozen unions.
func (l *Library) apply(changed []*file, accept func(*Set) error) (rejected []*file) {
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

// with is the union of what is in force, but for the newest of the changed files.
func (l *Library) with(changed []*file) (*Set, error) {
	var parts []part
	for _, f := range l.files {
		c := f.inForce
		if slices.Contains(changed, f) {
			c = f.wanted()
		}
		if c != nil {
			parts = append(parts, part{c, f.off})
		}
	}
	return union(parts)
}

// commit puts a Set in force, with the newest of the changed files.
func (l *Library) commit(set *Set, changed []*file) {
	now := l.options.Now()
	for _, f := range changed {
		f.inForce, f.rejected, f.loadedAt = f.wanted(), nil, now
		if f.inForce != nil {
			for _, a := range f.inForce.applications {
				a.remember(l.set)
			}
		}
	}
	l.set = set
}

// Remember takes over what an earlier Set, such as that of a configuration that
// ends, knows of secrets that are still the same: they cost no slow hash again.
func (s *Set) Remember(earlier *Set) {
	for _, a := range s.byClientID {
		a.remember(earlier)
	}
}

func (a *Application) remember(earlier *Set) {
	before := earlier.byClientID[a.ClientID]
	if before == nil {
		return
	}
	for _, s := range a.Secrets {
		if s.slow == nil {
			continue
		}
		for _, known := range before.Secrets {
			if t := known.remembered.Load(); t != nil && known.stored == s.stored {
				s.remembered.CompareAndSwap(nil, t)
			}
		}
	}
}
