package usage

import (
	"fmt"
	"testing"
)

// busy returns a Store of 10,000 clients that have all called one route.
func busy(b *testing.B) (*Store, []Key) {
	n := New(newStorage(b), folder, Options{})
	keys := make([]Key, 10_000)
	for i := range keys {
		keys[i] = passed
		keys[i].Client = fmt.Sprintf("orders-worker-%06d", i)
		n.Count(keys[i])
		n.CountHourly(Key{Kind: Issued, Issuer: idp, Client: keys[i].Client})
	}
	mustSync(b, n)
	return n, keys
}

func BenchmarkCount(b *testing.B) {
	n, keys := busy(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		n.Count(keys[i%len(keys)])
	}
}

func BenchmarkCountParallel(b *testing.B) {
	n, keys := busy(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Count(keys[0])
		}
	})
}

func BenchmarkSync(b *testing.B) {
	n, keys := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		n.Count(keys[0])
		mustSync(b, n)
	}
}

// BenchmarkDue measures the work of each second.
func BenchmarkDue(b *testing.B) {
	n, _ := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		n.due(n.clock.moment())
	}
}

func BenchmarkCountOne(b *testing.B) {
	n, keys := busy(b)
	b.ReportAllocs()
	for b.Loop() {
		n.Count(keys[0])
	}
}

func BenchmarkElapsed(b *testing.B) {
	n, _ := busy(b)
	for b.Loop() {
		n.clock.elapsed()
	}
}
