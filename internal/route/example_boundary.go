package route

import (
	"slices"
	"strings"
)

// Boundaries returns requests close to those of Examples: with every method, at paths next
// to a single path, and at paths that the matchers exclude. They may take the route or not.
// They show where it ends.
func (r *Route) Boundaries() (all []Example) {
	for _, b := range r.branches() {
		all = append(all, b.boundaries()...)
	}
	return all[:min(len(all), mostExamples)]
}

func (b branch) boundaries() (all []Example) {
	base, _ := b.base()
	hosts, paths := b.hosts(), b.paths()
	if len(hosts) == 0 || len(paths) == 0 {
		return nil
	}
	add := func(path, method string) {
		e := base
		e.Host, e.Target, e.Method = hosts[0], path+base.Target, method
		all = append(all, e)
	}
	for _, method := range exampleMethods {
		add(paths[0], method)
	}
	for _, path := range b.neighbours() {
		for _, method := range exampleMethods[:2] {
			add(path, method)
		}
	}
	return all
}

// neighbours returns paths that the patterns exclude, or may exclude.
func (b branch) neighbours() (all []string) {
	for i, s := range b.sets {
		if s == nil {
			continue
		}
		samples := s.leftOut()
		all = eachOnce(all, samples...)
		for _, prefix := range b.route.levels[i].stripped {
			for _, sample := range samples {
				all = eachOnce(all, join(prefix, sample))
			}
		}
	}
	return all
}

func (s *matcherSet) leftOut() (all []string) {
	for _, pattern := range s.paths {
		if !strings.ContainsAny(pattern, "*?[%\\{") {
			all = append(all, join(absolute(escaped(pattern)), "/"), join(absolute(escaped(pattern)), "/1"))
		} else if rest, ok := strings.CutSuffix(pattern, "/*"); ok && !strings.ContainsAny(rest, "*?[%\\{") {
			all = append(all, absolute(escaped(rest)))
		}
	}
	for _, negated := range s.negated {
		if negated != nil {
			all = append(all, negated.pathExamples()...)
		}
	}
	return slices.Clip(all)
}
