package live

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// departedFor is how long a removed file whose Applications are gone is reported as not in
// order. It is more than a night.
const departedFor = 24 * time.Hour

// departed is a file that no longer matches its glob and is no longer in force.
type departed struct {
	path string
	at   time.Time
	// lost are the client_ids that no other file has.
	lost []string
	// set is the Set in force when lost was computed.
	set      *application.Set
	reported bool
}

// depart records removed files with Applications that the Set does not have.
func (l *Library) depart(changed []*file, set *application.Set, now time.Time) {
	for _, f := range changed {
		if f.inForce == nil || f.wanted() != nil {
			continue
		}
		d := &departed{path: f.print.path, at: now}
		for _, a := range f.inForce.Applications() {
			d.lost = append(d.lost, a.ClientID)
		}
		if d.missing(set) {
			l.departed = append(l.departed, d)
		}
	}
}

// missing reports whether Applications of the file are still not in the Set.
func (d *departed) missing(set *application.Set) bool {
	if d.set != set {
		d.set = set
		d.lost = slices.DeleteFunc(d.lost, func(clientID string) bool {
			_, back := set.Application(clientID)
			return back
		})
	}
	return len(d.lost) > 0
}

// forgetDeparted drops the files whose Applications are back, and those that were removed
// long ago.
func (l *Library) forgetDeparted(now time.Time) {
	l.departed = slices.DeleteFunc(l.departed, func(d *departed) bool {
		return now.Sub(d.at) >= departedFor || !d.missing(l.set)
	})
}

func (d *departed) status() FileStatus {
	return FileStatus{
		Path: d.path, Departed: true, Since: d.at,
		Problem: fmt.Sprintf("the file is gone, and with it %s; put it back, or run caddy reload --force to confirm", counted(d.lost)),
	}
}

// counted returns the number of Applications, and the names of some.
func counted(clientIDs []string) string {
	if len(clientIDs) == 1 {
		return "1 Application: " + clientIDs[0]
	}
	return fmt.Sprintf("%d Applications: %s", len(clientIDs), listed(clientIDs))
}
