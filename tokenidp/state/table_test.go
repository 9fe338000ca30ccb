package state

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func keyOf(n int) key { return newKey(tokenKind, "https://idp.example.com", fmt.Sprint(n)) }

// What differs in any part has another key, and a name cannot slide from one part
// into the other.
func TestKeysTellNamesApart(t *testing.T) {
	seen := make(map[key]string)
	for _, row := range []struct {
		kind         kind
		issuer, name string
	}{
		{tokenKind, "a", "b"}, {clientKind, "a", "b"}, {onceKind, "a", "b"},
		{tokenKind, "ab", ""}, {tokenKind, "", "ab"}, {tokenKind, "a", "bc"}, {tokenKind, "ab", "c"},
		{issuerKind, "a", ""}, {tokenKind, "a", "B"}, {tokenKind, "a", "b\x00"},
		{tokenKind, "a", string(make([]byte, 5000))}, {tokenKind, "a", string(make([]byte, 5001))},
	} {
		name := fmt.Sprintf("%d %.10q %.10q", row.kind, row.issuer, row.name)
		k := newKey(row.kind, row.issuer, row.name)
		if seen[k] != "" || k.high == 0 {
			t.Errorf("%s has the key of %s", name, seen[k])
		}
		seen[k] = name
	}
}

func TestTableHoldsWhatItWasGiven(t *testing.T) {
	const count = 5000
	var tab table
	for n := range count {
		tab.update(keyOf(n), moment{}, func(known *fact) fact {
			if known != nil {
				t.Fatalf("%d is there already", n)
			}
			return fact{before: uint32(n), term: term{10, 10}}
		})
	}
	for n := range count {
		if s := tab.find(keyOf(n)); s == nil || s.fact() != (fact{uint32(n), term{10, 10}, 0}) {
			t.Fatalf("%d is lost", n)
		}
	}
	for n := range count {
		if tab.find(keyOf(count+n)) != nil {
			t.Fatalf("%d was never there", count+n)
		}
	}
	all := 0
	for range tab.remembered(moment{}) {
		all++
	}
	if tab.len() != count || all != count {
		t.Errorf("%d, %d of %d", tab.len(), all, count)
	}
	if each := tab.bytes() / count; each > 64 {
		t.Errorf("%d bytes each", each)
	}
}

func TestTableForgetsWhatIsOver(t *testing.T) {
	var tab table
	for n := range 1000 {
		tab.update(keyOf(n), moment{}, func(*fact) fact { return fact{term: term{uint32(n), 0}} })
	}
	now := moment{wall: 500}
	tab.update(keyOf(0), now, func(known *fact) fact {
		if known != nil {
			t.Error("what is over is still known")
		}
		return fact{term: term{2000, 0}}
	})
	tab.sweep(now)
	if tab.len() != 501 || tab.find(keyOf(499)) != nil || tab.find(keyOf(500)) == nil || tab.find(keyOf(0)) == nil {
		t.Errorf("%d are left", tab.len())
	}
	before := tab.bytes()
	tab.sweep(moment{wall: 5000})
	if tab.len() != 0 || tab.bytes() >= before {
		t.Errorf("%d are left, in %d bytes", tab.len(), tab.bytes())
	}
}

// Readers see what was written before they began, while shards are replaced.
func TestTableIsReadWhileItIsWritten(t *testing.T) {
	const count, readers = 5000, 4
	var tab table
	written := make(chan int, count)
	var reading sync.WaitGroup
	for range readers {
		reading.Go(func() {
			for n := range written {
				if tab.find(keyOf(n)) == nil {
					t.Errorf("%d is not there", n)
					return
				}
			}
		})
	}
	var writing sync.WaitGroup
	for w := range 2 {
		writing.Go(func() {
			for n := w; n < count; n += 2 {
				tab.update(keyOf(n), moment{wall: 1}, func(*fact) fact { return fact{term: term{uint32(time.Hour.Seconds()), 0}} })
				written <- n
				if n%1000 == 0 {
					tab.sweep(moment{wall: 1})
				}
			}
		})
	}
	writing.Wait()
	close(written)
	reading.Wait()
}
