package usage

import (
	"cmp"
	"slices"
	"time"
)

// Value is what was counted for a [Key]. First and Last are in seconds since 1970; 0 is
// unknown. A Value is never changed.
type Value struct {
	Count       int64
	First, Last int64
	// Hours and Days are the counts by hour and day since 1970, of keys that CountHourly
	// counts. They are kept for two and for ninety days.
	Hours, Days Series
	// Example is the last request, for Refused and Reported alone.
	Example *Example
}

// Example is a request that was refused.
type Example struct{ Method, Path, ClientIP string }

// LastTime returns Last as a time. It is zero if it is unknown.
func (v Value) LastTime() time.Time { return instant(v.Last) }

// LastDay returns the count of the 24 hours before now, by whole hours.
func (v Value) LastDay(now time.Time) int64 { return v.Hours.Sum(now.Unix()/Hour - 23) }

// plus adds the counts of another process. It is commutative and associative.
func (v Value) plus(other Value) Value {
	sum := v.join(other)
	sum.Count = v.Count + other.Count
	sum.Hours, sum.Days = v.Hours.plus(other.Hours), v.Days.plus(other.Days)
	return sum
}

// join merges the times, but not the counts. It is also idempotent.
func (v Value) join(other Value) Value {
	if other.Last > v.Last || other.Last == v.Last && other.Example.compare(v.Example) > 0 {
		v.Example = other.Example
	}
	v.First, v.Last = earlier(v.First, other.First), max(v.Last, other.Last)
	return v
}

// isZero reports whether the Value is empty.
func (v Value) isZero() bool { return v.Count == 0 && v.First == 0 && v.Last == 0 }

// adds reports whether the Value has more than the stored one. Times of the same moment may
// differ a little.
func (v Value) adds(stored Value) bool {
	const little = int64(clockSkew / time.Second)
	return v.Count != 0 || v.Last-stored.Last > little || v.First != 0 && (stored.First == 0 || stored.First-v.First > little)
}

func earlier(a, b int64) int64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

func (e *Example) compare(other *Example) int {
	if e == nil || other == nil {
		return cmp.Compare(btoi(e != nil), btoi(other != nil))
	}
	return cmp.Or(cmp.Compare(e.Path, other.Path), cmp.Compare(e.Method, other.Method), cmp.Compare(e.ClientIP, other.ClientIP))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Series are counts by hour or by day, sorted.
type Series []Bucket

// Bucket is the count of one hour or day since 1970.
type Bucket struct{ Slot, Count int64 }

// Sum returns the count from a slot on.
func (s Series) Sum(from int64) (sum int64) {
	for _, b := range s {
		if b.Slot >= from {
			sum += b.Count
		}
	}
	return sum
}

func (s Series) plus(other Series) Series {
	if len(other) == 0 {
		return s
	}
	sum := make(Series, 0, len(s)+len(other))
	for len(s) > 0 && len(other) > 0 {
		switch a, b := s[0], other[0]; {
		case a.Slot < b.Slot:
			sum, s = append(sum, a), s[1:]
		case a.Slot > b.Slot:
			sum, other = append(sum, b), other[1:]
		default:
			sum, s, other = append(sum, Bucket{a.Slot, a.Count + b.Count}), s[1:], other[1:]
		}
	}
	return append(append(sum, s...), other...)
}

// minus subtracts the written values. A negative result becomes 0.
func (s Series) minus(written Series) Series {
	left := slices.Clone(s)
	for _, b := range written {
		if i, found := left.find(b.Slot); found {
			left[i].Count = max(0, left[i].Count-b.Count)
		}
	}
	return slices.DeleteFunc(left, func(b Bucket) bool { return b.Count == 0 })
}

func (s Series) clone() Series { return slices.Clone(s) }

func (s Series) find(slot int64) (int, bool) {
	return slices.BinarySearchFunc(s, slot, func(b Bucket, slot int64) int { return cmp.Compare(b.Slot, slot) })
}

// count adds one to a slot, in place.
func (s *Series) count(slot int64) {
	i, found := s.find(slot)
	if !found {
		*s = slices.Insert(*s, i, Bucket{Slot: slot})
	}
	(*s)[i].Count++
}

// after drops the slots before the slot. It changes nothing in place.
func (s Series) after(slot int64) Series {
	i, _ := s.find(slot)
	return s[i:]
}

// The lengths of an hour and a day, in seconds, and how many of them are kept.
const (
	Hour = 60 * 60
	Day  = 24 * Hour

	mostHours = 48
	mostDays  = 90
)

// current drops old hours and days.
func (v Value) current(at moment) Value {
	v.Hours, v.Days = v.Hours.after(at.seconds()/Hour-mostHours), v.Days.after(at.seconds()/Day-mostDays)
	return v
}
