package reach

import (
	"context"
	"slices"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
	"github.com/tokenidp/caddy-tokenidp/tokenidp"
)

// Group has requests with the same answer.
type Group struct {
	Requests []probe.Request
	Answer   *Answer
}

// AskExample returns who gets through with the requests of a route. They represent others,
// so an expression about the request becomes a condition.
func (m *Map) AskExample(ctx context.Context, e probe.Example) (groups []Group, err error) {
	for _, r := range e.Requests {
		r.Assume = tokenidp.AssumeAboutRequest
		a, err := m.Ask(ctx, r)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Answer.Equal(a) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, Group{Answer: a})
		}
		groups[i].Requests = append(groups[i].Requests, r)
	}
	return groups, nil
}
