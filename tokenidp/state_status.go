package tokenidp

import (
	"fmt"
	"io"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

// stateStatus is how the shared state is, as the admin endpoint shows it. It is one
// for all issuers.
type stateStatus struct {
	Kind        string     `json:"kind"`
	Synced      bool       `json:"synced"`
	LastSync    *time.Time `json:"last_sync,omitempty"` // when this server last knew all revocations
	Revocations int        `json:"revocations"`
	Identifiers int        `json:"identifiers"` // remembered in this server
	Bytes       int64      `json:"bytes"`       // of memory, about
	Warnings    []string   `json:"warnings"`
	Problems    []string   `json:"problems"` // all that is not in order, in words
}

func newStateStatus(h state.Health) stateStatus {
	return stateStatus{
		Kind: h.Kind, Synced: h.Synced, LastSync: moment(h.LastSync),
		Revocations: h.Revocations, Identifiers: h.Identifiers, Bytes: h.Bytes,
		Warnings: append([]string{}, h.Warnings...), Problems: append([]string{}, stateProblems(h)...),
	}
}

// stateProblems are what is not in order, in words.
func stateProblems(h state.Health) (problems []string) {
	switch {
	case h.Problem != "":
		problems = append(problems, "the shared state is not current: "+h.Problem)
	case !h.Synced:
		problems = append(problems, "the shared state was never read since this server started")
	}
	for _, w := range h.Warnings {
		problems = append(problems, "shared state: "+w)
	}
	return problems
}

func (s stateStatus) print(out io.Writer) {
	since := "never read"
	if s.LastSync != nil {
		since = "current at " + s.LastSync.Format(time.RFC3339)
	}
	fmt.Fprintf(out, "state\t%s\t%d revocations, %s\n", s.Kind, s.Revocations, since)
}
