package live

import (
	"fmt"
	"slices"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// departedFor is how long a file that took Applications with it is not in order. It is
// more than a night.
const departedFor = 24 * time.Hour

// departed is a file that no longer matches its glob, and is no longer in force.
type departed struct {
	path string
	at   time.Time
	// lost are the client_ids that no other file has.
	lost []string
	// set is the one in force when lost was found.
	set  *application.Set
	told bool
}

// depart remembers the files that are left out of the Set, and had Applications that it
// has not.
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

// forgetDeparted forgets the files whose Applications are back, and those that left long
// ago.
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

// counted says how many Applications there are, and the names of some.
func counted(clientIDs []string) string {
	if len(clientIDs) == 1 {
		return "1 Application: " + clientIDs[0]
	}
	return fmt.Sprintf("%d Applications: %s", len(clientIDs), listed(clientIDs))
}
