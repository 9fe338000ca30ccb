package background

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var at []time.Duration
		start, ended := time.Now(), make(chan struct{})
		go func() {
			defer close(ended)
			Every(ctx, time.Minute, func() { at = append(at, time.Since(start)) })
		}()
		time.Sleep(150 * time.Second)
		stop()
		<-ended
		if len(at) != 2 || at[0] != time.Minute || at[1] != 2*time.Minute {
			t.Errorf("called after %v", at)
		}
	})
}

func TestProblemIsNewsOnce(t *testing.T) {
	var p Problem
	if p.Noted() || p.String() != "" {
		t.Errorf("at first: %v, %q", p.Noted(), &p)
	}
	full, denied := errors.New("no space left on device"), errors.New("permission denied")
	for i, row := range []struct {
		err  error
		want News
	}{
		{nil, Nothing}, {full, Failed}, {full, Nothing}, {denied, Failed}, {denied, Nothing}, {nil, Mended}, {nil, Nothing}, {full, Failed},
	} {
		if got := p.Note(row.err); got != row.want || !p.Noted() || (p.String() != "") != (row.err != nil) {
			t.Errorf("attempt %d: %v, %q", i, got, &p)
		}
	}
}

// F14: a failure reads the same however its kids and temporary files are called, so
// that it is logged once, and another one is logged too.
func TestF14FailureReadsTheSame(t *testing.T) {
	said := func(kid, file, cause string) error {
		return errors.New("writing tokenidp/a/keys/" + kid + ".json: open /srv/.tmp-" + file + ": " + cause)
	}
	var p Problem
	p.Note(said("2026-06-14.482910", "183", "no space left on device"))
	if p.Note(said("2026-06-14.771234", "97x", "no space left on device")) != Nothing {
		t.Errorf("the same failure is news: %s", &p)
	}
	if p.Note(said("2026-06-14.482910", "183", "permission denied")) != Failed {
		t.Errorf("another failure reads the same: %s", &p)
	}
}
