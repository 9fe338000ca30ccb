package lastuse

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// What is used before the end is stored at the end, and what others stored is read
// within a minute. A failure is logged when it begins, and not every minute.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newStorage(t)
		record := New(storage, folder, Options{})
		record.Observe(slices.Values([]Secret{old}))
		core, logs := observer.New(zap.WarnLevel)
		s := NewSyncer(record, zap.New(core))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		synctest.Wait()

		elsewhere := New(storage.sharing(), folder, Options{})
		elsewhere.Observe(slices.Values([]Secret{old}))
		elsewhere.Used(old)
		used := time.Now()
		if err := elsewhere.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(syncInterval + time.Second)
		synctest.Wait()
		if got := record.Use(old).LastUsed; !got.Equal(used) || s.Health() != (Health{}) {
			t.Errorf("used at %s, not %s; %+v", got, used, s.Health())
		}

		storage.failing("List", "Load", "Store")
		time.Sleep(time.Hour)
		synctest.Wait()
		if told := logs.Len(); told != 1 || s.Health().Problem == "" {
			t.Errorf("told %d times; %+v", told, s.Health())
		}
		storage.heal()
		time.Sleep(2 * syncInterval)
		record.Used(old)
		time.Sleep(syncInterval) // it is stored
		record.Used(old)
		last := time.Now()
		stop()
		<-ended
		after := New(storage.sharing(), folder, Options{})
		if err := after.Sync(t.Context()); err != nil || !after.Use(old).LastUsed.Equal(last) {
			t.Errorf("%v; used at %s, not %s", err, after.Use(old).LastUsed, last)
		}
	})
}
