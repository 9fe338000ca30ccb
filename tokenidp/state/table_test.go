package state

import (
	"fmt"
	"runtime"
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
		if f, found := tab.find(keyOf(n)); !found || f != (fact{uint32(n), term{10, 10}, 0}) {
			t.Fatalf("%d is lost", n)
		}
	}
	for n := range count {
		if _, found := tab.find(keyOf(count + n)); found {
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
	holds := func(n int) bool { _, found := tab.find(keyOf(n)); return found }
	if tab.len() != 501 || holds(499) || !holds(500) || !holds(0) {
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
				if _, found := tab.find(keyOf(n)); !found {
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

// A million keys take less than 100 MiB of the heap, and about what the table says.
func TestAMillionKeysAreBounded(t *testing.T) {
	const count = 1_000_000
	keys := make([]key, count)
	for n := range keys {
		keys[n] = keyOf(n)
	}
	tab, before := new(table), heap()
	for _, k := range keys {
		tab.update(k, moment{}, func(*fact) fact { return fact{term: term{10, 10}} })
	}
	grown := heap() - before
	t.Logf("%d bytes a key; the table says %d", grown/count, tab.bytes()/count)
	if grown >= 100<<20 || tab.bytes() < grown*3/4 || tab.bytes() > grown*5/4 {
		t.Errorf("%d bytes; the table says %d", grown, tab.bytes())
	}
	runtime.KeepAlive(keys)
}

// heap is what is in use once all is freed that can be.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
