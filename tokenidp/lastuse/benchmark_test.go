package lastuse

import (
	"fmt"
	"iter"
	"testing"
	"time"
)

// apps are so many Applications with two secrets each, with ids of usual length.
func apps(n int) iter.Seq[Secret] {
	return func(yield func(Secret) bool) {
		for i := range n {
			clientID := fmt.Sprintf("orders-worker-%06d", i)
			if !yield(Secret{clientID, "2026-11"}) || !yield(Secret{clientID, "2027-05"}) {
				return
			}
		}
	}
}

// large is a Record of 100,000 Applications whose 200,000 secrets are stored,
// the newer one of each used an hour ago.
func large(b *testing.B) (*Record, *faultyStorage, *testClock) {
	s, c := newStorage(b), newTestClock()
	r := newRecord(s, c)
	r.Observe(apps(100_000))
	for secret := range apps(100_000) {
		if secret.SecretID == "2027-05" {
			r.Used(secret)
		}
	}
	mustSync(b, r)
	c.pass(time.Hour)
	mustSync(b, r)
	s.stored = 0
	return r, s, c
}

func BenchmarkUsed(b *testing.B) {
	r := New(newStorage(b), folder, Options{})
	r.Observe(apps(100_000))
	b.ReportAllocs()
	for b.Loop() {
		r.Used(Secret{"orders-worker-050000", "2027-05"})
	}
}

func BenchmarkUsedParallel(b *testing.B) {
	r := New(newStorage(b), folder, Options{})
	r.Observe(apps(100_000))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Used(Secret{"orders-worker-050000", "2027-05"})
		}
	})
}

func BenchmarkObserve100k(b *testing.B) {
	r, _, _ := large(b)
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(apps(100_000))
	}
}

func BenchmarkSyncIdle100k(b *testing.B) {
	r, _, _ := large(b)
	b.ReportAllocs()
	for b.Loop() {
		mustSync(b, r)
	}
}

// BenchmarkSyncMinute100k: each Application gets a token an hour, so one in sixty
// has been used in a minute. Folding is part of it.
func BenchmarkSyncMinute100k(b *testing.B) {
	r, s, c := large(b)
	b.ReportAllocs()
	minute := 0
	for b.Loop() {
		c.pass(time.Minute)
		i := 0
		for secret := range apps(100_000) {
			if i++; i%120 == 2*(minute%60) {
				r.Used(secret)
			}
		}
		minute++
		mustSync(b, r)
	}
	b.ReportMetric(float64(s.stored)/float64(b.N), "stored-B/op")
}

func BenchmarkFold100k(b *testing.B) {
	r, s, _ := large(b)
	r.foldsAt = -100
	b.ReportAllocs()
	for b.Loop() {
		mustSync(b, r)
	}
	b.ReportMetric(float64(s.stored)/float64(b.N), "stored-B/op")
}

func BenchmarkFirstSync100k(b *testing.B) {
	_, s, c := large(b)
	b.ReportAllocs()
	for b.Loop() {
		r := newRecord(s.sharing(), c.reboot())
		r.Observe(apps(100_000))
		mustSync(b, r)
	}
}
