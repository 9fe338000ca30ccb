package signing

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// at makes members by kid and by how long after testTime they begin.
func at(begin map[string]time.Duration) []member {
	var members []member
	for id, after := range begin {
		kid, _ := parseKeyID(id)
		members = append(members, member{Key: &Key{ID: id, kid: kid, SignsFrom: testTime.Add(after)}})
	}
	slices.SortFunc(members, takeover)
	return members
}

func TestStatesFollowFromKeysAndClock(t *testing.T) {
	const a, b, c = "2026-03-14", "2026-03-15", "2026-03-16"
	for _, tc := range []struct {
		name string
		keys map[string]time.Duration
		now  time.Duration
		want string // kid:state, in the order of takeover
	}{
		{"none", nil, 0, ""},
		{"one", map[string]time.Duration{a: -day}, 0, "14:active"},
		{"at the very moment", map[string]time.Duration{a: 0}, 0, "14:active"},
		{"one, clock set back", map[string]time.Duration{a: day}, 0, "14:active"},
		{"next", map[string]time.Duration{a: -day, b: 1}, 0, "14:active 15:next"},
		{"takeover", map[string]time.Duration{a: -day, b: 0}, 0, "14:retired 15:active"},
		{"all three", map[string]time.Duration{a: -day, b: -1, c: 1}, 0, "14:retired 15:active 16:next"},
		{"order is not that of kids", map[string]time.Duration{c: -day, a: -1, b: 1}, 0, "16:retired 14:active 15:next"},
		{"clock set back before all", map[string]time.Duration{a: 1, b: 2, c: 3}, 0, "14:active 15:next 16:next"},
		{"clock set back before the last", map[string]time.Duration{a: -1, b: 2}, 0, "14:active 15:next"},
		{"tie: the lower kid", map[string]time.Duration{a: -day, b: 0, c: 0}, 0, "14:retired 16:retired 15:active"},
		{"tie ahead", map[string]time.Duration{a: -day, b: 1, c: 1}, 0, "14:active 16:next 15:next"},
		{"tie ahead of a clock set back", map[string]time.Duration{a: 1, b: 1, c: 2}, 0, "15:next 14:active 16:next"},
		{"far ahead", map[string]time.Duration{a: -day, b: 3650 * day}, 0, "14:active 15:next"},
		{"ten years on", map[string]time.Duration{a: -day, b: day}, 3650 * day, "14:retired 15:active"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			members, now := at(tc.keys), testTime.Add(tc.now)
			active := activeAt(members, now, ever)
			var got []string
			for i, m := range members {
				got = append(got, strings.TrimPrefix(m.ID, "2026-03-")+":"+string(stateAt(members, i, active, now)))
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("got %s, want %s", s, tc.want)
			}
		})
	}
}

func TestUntrustedKeyWaitsWhereAnotherSigns(t *testing.T) {
	private := testKey(t, "2026-03-14", "ES256").private
	old := member{Key: &Key{ID: "2026-03-14", SignsFrom: testTime.Add(-day), private: private}}
	late := member{Key: &Key{ID: "2026-03-15", SignsFrom: testTime, private: private}, trustedFrom: MaxAge}
	if i := activeAt([]member{old, late}, testTime, MaxAge-1); i != 0 {
		t.Errorf("key %d signs before it is trusted", i)
	}
	if i := activeAt([]member{old, late}, testTime, MaxAge); i != 1 {
		t.Errorf("key %d signs after it is trusted", i)
	}
	if i := activeAt([]member{late, {Key: &Key{SignsFrom: testTime.Add(1), private: private}}}, testTime, 0); i != 1 {
		t.Errorf("key %d signs where the clock was set back", i)
	}
	if i := activeAt([]member{late}, testTime, 0); i != 0 {
		t.Errorf("key %d of one signs", i)
	}
}

func TestOverdue(t *testing.T) {
	for _, tc := range []struct {
		name string
		keys map[string]time.Duration
		want bool // of the first
	}{
		{"the only one", map[string]time.Duration{"2026-03-14": -999 * day}, false},
		{"active", map[string]time.Duration{"2026-03-14": -999 * day, "2026-03-15": 1}, false},
		{"retired just now", map[string]time.Duration{"2026-03-14": -999 * day, "2026-03-15": 0}, false},
		{"a moment too early", map[string]time.Duration{"2026-03-14": -999 * day, "2026-03-15": 1 - retention}, false},
		{"due", map[string]time.Duration{"2026-03-14": -999 * day, "2026-03-15": -retention}, true},
		{"its own successor counts", map[string]time.Duration{"2026-03-14": -999 * day, "2026-03-15": -retention, "2026-03-16": 0}, true},
		{"clock set back", map[string]time.Duration{"2026-03-14": 1, "2026-03-15": 2}, false},
	} {
		if got := overdue(at(tc.keys), 0, testTime); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}

func TestRetentionOutlivesEveryToken(t *testing.T) {
	// The last token that a node signs with a retired key: at the end of its
	// time without the storage, or late to trust the key after.
	if last := max(cutOff, cutOff/2+MaxAge) + maxTokenLifetime; retention < last+leeway {
		t.Errorf("kept for %s, tokens live for %s", retention, last)
	}
	if minLead < MaxAge+MaintenanceInterval+time.Minute {
		t.Errorf("published for %s", minLead)
	}
}

func TestRotationSchedule(t *testing.T) {
	const never = time.Duration(-1)
	for _, tc := range []struct {
		every, lead, dueAfter time.Duration // after the newest key began
	}{
		{0, day, 89 * day},
		{90 * day, day, 89 * day},
		{30 * day, day, 29 * day},
		{4 * day, day, 3 * day},
		{day, 6 * time.Hour, 18 * time.Hour},
		{time.Hour, 15 * time.Minute, 45 * time.Minute},
		{time.Second, 15 * time.Minute, 45 * time.Minute}, // raised to the minimum
		{-1, minLead, never},
	} {
		r := newRotation(tc.every)
		if r.lead() != tc.lead {
			t.Errorf("every %s: lead %s", tc.every, r.lead())
		}
		k := &Key{SignsFrom: testTime}
		if tc.dueAfter == never {
			if r.due(k, testTime.Add(9999*day)) || r.due(nil, testTime) {
				t.Errorf("every %s: due", tc.every)
			}
			continue
		}
		due := testTime.Add(tc.dueAfter)
		if r.due(k, due.Add(-1)) || !r.due(k, due) || !r.due(nil, testTime) {
			t.Errorf("every %s: not due just at %s", tc.every, tc.dueAfter)
		}
		if got := r.successorSigns(k, due); !got.Equal(due.Add(tc.lead)) {
			t.Errorf("every %s: signs from %s", tc.every, got)
		}
		late := testTime.Add(1000 * day)
		if got := r.successorSigns(k, late); !got.Equal(late.Add(minLead)) {
			t.Errorf("every %s, late: signs from %s", tc.every, got)
		}
	}
}

func TestKeyFarAheadIsNotTheNewest(t *testing.T) {
	keys := at(map[string]time.Duration{"2026-03-14": -day, "2026-03-15": day, "2036-03-15": 3650 * day})
	for _, every := range []time.Duration{0, -1, time.Hour, 90 * day} {
		if k := newRotation(every).newest(keys, testTime); k.ID != "2026-03-15" {
			t.Errorf("every %s: newest is %s", every, k)
		}
	}
	if k := newRotation(0).newest(keys, testTime.Add(3640*day)); k.ID != "2036-03-15" {
		t.Errorf("when its time comes, newest is %s", k)
	}
	if k := newRotation(0).newest(keys[2:], testTime); k != nil {
		t.Errorf("alone, newest is %s", k)
	}
}
