package signing

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

var errFault = errors.New("the storage failed")

// crashed is what the process of a node ends with.
type crashed struct{ *modelNode }

// faults of one schedule.
type faults struct {
	fail, lag, crash, brokenLock, steps bool
}

// exclusive reports whether two nodes can never make keys at once.
func (f faults) exclusive() bool { return !f.lag && !f.brokenLock && !f.steps }

// maxLag is how much older than the truth a listing is; maxDelay how long an
// operation takes.
const (
	maxLag   = 2 * time.Minute
	maxDelay = 20 * time.Second
	// lockStale is when a lock whose holder is gone may be taken.
	lockStale = 2 * time.Minute
)

// world is the true time, the true contents of the storage, and what must hold.
type world struct {
	random *rand.Rand
	faults faults
	now    time.Duration // since testTime
	files  map[string]*modelFile
	holder *modelNode // of the lock
	heldAt time.Duration

	nodes  []*modelNode
	store  *store // reads each key once, for all nodes
	tokens []modelToken
	caches []modelCache
	first  string // the entry of the first key

	healthy    bool // no faults for now
	wrong      []string
	stored     int
	demanded   int // keys that somebody asked for
	steps      int
	issued     int
	checked    int
	crashes    int
	twoHolders int
	deleted    int
}

type modelFile struct {
	data      []byte
	atOnce    bool
	misdated  bool // by a clock that was set
	signsFrom time.Time
	storedAt  time.Duration
	deletedAt time.Duration // -1 while it is there
}

func (f *modelFile) thereAt(t time.Duration) bool {
	return f.storedAt <= t && (f.deletedAt < 0 || f.deletedAt > t)
}

func (w *world) chance(n int) bool { return w.random.IntN(n) == 0 }

// view is the storage as one node has it.
type view struct {
	*world
	node *modelNode
}

// operation lets something go wrong before or after an operation.
func (v *view) operation(effect func() error) error {
	w := v.world
	if w.healthy {
		return effect()
	}
	if w.chance(16) {
		w.pass(time.Duration(w.random.Int64N(int64(maxDelay))))
	}
	if w.faults.brokenLock && w.chance(12) {
		w.meanwhile(v.node)
	}
	if w.faults.crash && w.chance(80) {
		panic(crashed{v.node})
	}
	if w.faults.fail && w.chance(30) {
		return errFault
	}
	err := effect()
	if w.faults.crash && w.chance(80) {
		panic(crashed{v.node})
	}
	if w.faults.fail && w.chance(60) {
		return errFault
	}
	return err
}

func (v *view) Store(_ context.Context, key string, value []byte) error {
	return v.operation(func() error {
		w := v.world
		if before, ok := w.files[key]; ok {
			if !bytes.Equal(before.data, value) {
				w.fail("%s was overwritten", key)
			}
			if before.deletedAt >= 0 && v.node.offset >= 0 {
				w.fail("%s was deleted, and is stored again", key)
			}
			before.deletedAt = -1 // a clock set back has the key's time come again
			return nil
		}
		id, thumbprint, _ := parseEntryName(key)
		k, err := w.store.decode(key, value, id, thumbprint)
		if err != nil {
			w.fail("%s: %v", key, err)
			return err
		}
		w.checkSuccessor(v.node, k)
		w.files[key] = &modelFile{data: value, atOnce: k.atOnce(), misdated: v.node.offset != 0, signsFrom: k.SignsFrom, storedAt: w.now, deletedAt: -1}
		w.stored++
		return nil
	})
}

func (v *view) Load(_ context.Context, key string) (data []byte, err error) {
	err = v.operation(func() error {
		f, ok := v.files[key]
		if !ok || f.deletedAt >= 0 {
			return fs.ErrNotExist
		}
		data = f.data
		return nil
	})
	return data, err
}

func (v *view) Delete(_ context.Context, key string) error {
	return v.operation(func() error {
		if f, ok := v.files[key]; ok && f.deletedAt < 0 {
			v.checkDeletion(key)
			f.deletedAt = v.now
			v.deleted++
		}
		return nil
	})
}

func (v *view) List(_ context.Context, folder string, _ bool) (names []string, err error) {
	err = v.operation(func() error {
		asOf := v.now
		if v.faults.lag && !v.healthy && v.chance(3) {
			asOf -= time.Duration(v.random.Int64N(int64(maxLag)))
		}
		for name, f := range v.files {
			if strings.HasPrefix(name, folder+"/") && f.thereAt(asOf) {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

func (v *view) Stat(context.Context, string) (certmagic.KeyInfo, error) {
	return certmagic.KeyInfo{}, fs.ErrNotExist
}

func (v *view) Exists(context.Context, string) bool {
	v.fail("Exists was called")
	return false
}

// Lock fails at once where it would wait: the nodes take turns.
func (v *view) Lock(context.Context, string) error {
	return v.operation(func() error {
		w := v.world
		if w.holder != nil && w.holder != v.node && w.now-w.heldAt < lockStale {
			if !w.faults.brokenLock || w.chance(4) {
				return context.DeadlineExceeded
			}
			w.twoHolders++
		}
		w.holder, w.heldAt = v.node, w.now
		return nil
	})
}

func (v *view) Unlock(context.Context, string) error {
	return v.operation(func() error {
		if v.holder == v.node {
			v.holder = nil
		}
		return nil
	})
}
