package live

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
)

// teams writes files of 1000 Applications (or fewer, if there are to be fewer),
// each with secrets of its own and a resource that the other files use too. They
// are as old as files are that nobody touches.
func teams(t testing.TB, applications int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for first := 0; first < applications; first += 1000 {
		writeTeam(t, dir, first, min(applications-first, 1000), "")
	}
	return dir
}

func writeTeam(t testing.TB, dir string, first, n int, comment string) {
	t.Helper()
	var text strings.Builder
	common := ""
	if first == 0 {
		common = ", {name: common}"
	}
	fmt.Fprintf(&text, "%sresources: [{name: api-%d, scopes: [{name: read-%[2]d}, {name: write-%[2]d}%s]}]\napplications:\n", comment, first/1000, common)
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&text, "  - client_id: client-%06d\n    client_name: Client %[1]d\n    secrets: [{id: a, hash: \"$sha256$%064[1]x\"}]\n    scopes: [read-%d, write-%[2]d, common]\n", i, first/1000)
	}
	path := filepath.Join(dir, fmt.Sprintf("team-%03d.yaml", first/1000))
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if comment != "" {
		old = old.Add(time.Duration(len(comment)) * time.Second)
	}
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

func library(t testing.TB, dir string) (*Library, *application.Set) {
	t.Helper()
	l := NewLibrary([]string{filepath.Join(dir, "*.yaml")}, application.Options{})
	set, err := l.Load()
	if err != nil {
		t.Fatal(err)
	}
	return l, set
}

func BenchmarkLoad100k(b *testing.B) {
	dir := teams(b, 100_000)
	var before, after runtime.MemStats
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		l, set := library(b, dir)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(l)
		runtime.KeepAlive(set)
		b.StartTimer()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
}

func BenchmarkRefreshUnchanged100k(b *testing.B) {
	l, set := library(b, teams(b, 100_000))
	b.ReportAllocs()
	for b.Loop() {
		if r := l.Refresh(nil); r.Set != set {
			b.Fatal(r.Changes)
		}
	}
}

// BenchmarkRefreshOneFile100k reads one of a hundred files and unites them all.
func BenchmarkRefreshOneFile100k(b *testing.B) {
	dir := teams(b, 100_000)
	l, _ := library(b, dir)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		writeTeam(b, dir, 50_000, 1000, strings.Repeat("#", 1+i%60)+"\n")
		b.StartTimer()
		if r := l.Refresh(nil); !r.Applied {
			b.Fatal(r.Problems)
		}
	}
}

// BenchmarkUnion100k is the part of that which grows with all files together.
func BenchmarkUnion100k(b *testing.B) {
	l, _ := library(b, teams(b, 100_000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.with(nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup is what a request costs here: it must not grow with the set.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			_, set := library(b, teams(b, n))
			clientID := fmt.Sprintf("client-%06d", n/2)
			b.ReportAllocs()
			for b.Loop() {
				a, ok := set.Application(clientID)
				if !ok {
					b.Fatal("not found")
				}
				if _, err := set.Grant(a, "common", nil, time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
