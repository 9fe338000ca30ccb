package usage

import "iter"

// Observe sets what an issuer declares: its secrets and grants. Call it with all of them
// when the files are loaded and after each change. The observation of new ones begins now.
func (s *Store) Observe(issuer string, declared iter.Seq[Key]) {
	if s == nil {
		return
	}
	s.observing.Store(true)
	s.counters.observe(issuer, declared, max(1, int64(s.clock.elapsed())))
}

func (c *counters) observe(issuer string, declared iter.Seq[Key], now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.called++
	c.issuer[issuer] = c.called
	for k := range declared {
		counter := c.add(k)
		counter.declared.Store(c.called)
		counter.first.CompareAndSwap(0, now)
	}
	c.merge()
}

// isDeclared reports whether the last call of observe for the issuer had the key. The
// caller holds c.mu.
func (c *counters) isDeclared(k Key, counter *Counter) bool {
	declared := counter.declared.Load()
	return declared != 0 && declared == c.issuer[k.Issuer]
}

// declares reports whether this process declares the key.
func (c *counters) declares(k Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := c.lookup(k)
	return counter != nil && c.isDeclared(k, counter)
}
