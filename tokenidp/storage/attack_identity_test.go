package storage

import (
	"testing"

	"github.com/caddyserver/certmagic"
)

// storages of plugins hold a client (Consul, S3: a pointer, and no String), so
// that each load of one configuration has another name. Then a reload is like a
// restart: the ring of before, with the private halves of outside keys, with what
// was lost by the storage and with how long keys are retired, is not carried over.
func TestTheSameStorageHasTheSameName(t *testing.T) {
	type client struct{ address string }
	type plugin struct {
		certmagic.Storage
		Address string `json:"address"`
		client  *client
	}
	load := func() *Bounded { return NewBounded(&plugin{Address: "consul:8500", client: &client{"consul:8500"}}) }
	if a, b := load().String(), load().String(); a != b {
		t.Errorf("%s and %s are the same storage", a, b)
	}
}
