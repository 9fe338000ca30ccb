package tokenidp

import (
	"context"
	"errors"
	"testing"
)

// closing notes that it was closed.
type closing struct{ closed bool }

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func TestCarryoverLivesAsLongAsAnyConfigurationHoldsIt(t *testing.T) {
	load := func() (*closing, func() error) {
		t.Helper()
		value, release, err := carry(t.Context(), "a", func() (*closing, error) { return new(closing), nil })
		if err != nil {
			t.Fatal(err)
		}
		return value, release
	}
	first, releaseFirst := load()
	second, releaseSecond := load()
	if first != second {
		t.Error("the second configuration has a value of its own")
	}
	if err := releaseFirst(); err != nil || first.closed {
		t.Errorf("%v; closed while it is held: %v", err, first.closed)
	}
	if err := releaseSecond(); err != nil || !first.closed {
		t.Errorf("%v; closed: %v", err, first.closed)
	}
	third, releaseThird := load()
	if third == first {
		t.Error("it outlived all configurations")
	}
	if err := releaseThird(); err != nil {
		t.Error(err)
	}
}

func TestCarryoversOfTwoKindsShareNoName(t *testing.T) {
	_, releaseOne, err := carry(t.Context(), "a", func() (*closing, error) { return new(closing), nil })
	if err != nil {
		t.Fatal(err)
	}
	n, releaseOther, err := carry(t.Context(), "a", func() (int, error) { return 7, nil })
	if err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if err := errors.Join(releaseOne(), releaseOther()); err != nil {
		t.Error(err)
	}
}

func TestCarryoverThatCannotBeMadeIsNotHeld(t *testing.T) {
	broken := errors.New("broken")
	if _, release, err := carry(t.Context(), "a", func() (int, error) { return 0, broken }); !errors.Is(err, broken) || release != nil {
		t.Errorf("%v, with something to release: %v", err, release != nil)
	}
	n, release, err := carry(t.Context(), "a", func() (int, error) { return 7, nil })
	if err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

func TestSuccessionIsOfWhatRuns(t *testing.T) {
	var s succession[string]
	want := func(when string, want *string) {
		t.Helper()
		if got := s.latest(); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	a, b, c := new("a"), new("b"), new("c")
	want("at first", nil)
	leaveA := s.enter(a)
	want("one runs", a)
	leaveB := s.enter(b)
	leaveB()
	want("the second failed to start", a)
	leaveC := s.enter(c)
	want("the third runs", c)
	leaveA()
	want("the first ended", c)
	leaveC()
	want("all ended", nil)
}

// A sandbox neither sees nor keeps what the configurations that serve carry over.
func TestCarryInASandbox(t *testing.T) {
	one, err := NewSandbox(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSandbox(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, ctx := range []context.Context{t.Context(), one.In(t.Context()), other.In(t.Context())} {
		for range 2 {
			n, release, err := carry(ctx, "sandboxed", func() (int, error) { return want, nil })
			if err != nil || n != want {
				t.Errorf("%d, want %d (%v)", n, want, err)
			}
			t.Cleanup(func() {
				if err := release(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
