package signing

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/storage"
)

// docs/keys.md says that a server with the wrong key encryption key "goes on
// with the keys it has". After two days its peers delete that key, the server
// forgets it, and cannot sign.
func TestAServerWithoutTheNewKeyEncryptionKeyGoesOn(t *testing.T) {
	storage, wall := newStorage(t), newClock(testTime)
	one, two := newNode(t, storage, "ES256", testTime), newNode(t, storage, "ES256", testTime)
	one.wall, two.wall = wall, wall
	one.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	two.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	mustEnsure(t, one.Ring)
	mustEnsure(t, two.Ring)
	one.start("ES256", Options{Encryption: encryption(t, newKEK, oldKEK), Predecessor: one.Ring})
	mustEnsure(t, one.Ring)
	step := 10 * time.Minute
	for range int(4 * 24 * time.Hour / step) {
		wall.advance(step)
		one.elapsed, two.elapsed = one.elapsed+step, two.elapsed+step
		one.maintain()
		_ = two.Maintain(t.Context()) // says which key encryption key is missing
		token, kid, err := two.Sign([]byte(`{}`))
		if err != nil {
			t.Fatalf("after %s, two cannot sign: %v", two.elapsed, err)
		}
		if err := verifyAt(t, one.Ring, token); err != nil {
			t.Fatalf("after %s, a token of two, signed by %s, is refused: %v", two.elapsed, kid, err)
		}
	}
}

// a running server without a key encryption key, whose peers encrypt, makes the
// successor that is due, and stores its private half in the clear.
func TestAServerWithoutEncryptionRotatesInTheClear(t *testing.T) {
	storage, wall := newStorage(t), newClock(testTime)
	one, two := newNode(t, storage, "ES256", testTime), newNode(t, storage, "ES256", testTime)
	one.wall, two.wall = wall, wall
	one.start("ES256", Options{})
	two.start("ES256", Options{})
	mustEnsure(t, one.Ring)
	mustEnsure(t, two.Ring)
	one.start("ES256", Options{Encryption: encryption(t, oldKEK), Predecessor: one.Ring})
	mustEnsure(t, one.Ring) // and two is forgotten
	wall.advance(90 * day)
	two.elapsed += 90 * day
	if err := two.Maintain(t.Context()); err == nil {
		t.Error("two does not say that it cannot decrypt the key that signs")
	}
	for _, s := range two.States() {
		if s.State == Next && s.Encryption == "" {
			t.Errorf("the next key %s is stored in the clear, though the key before is encrypted", s.ID)
		}
	}
}

// a lost key is stored again in the clear, with encryption configured.
func TestALostKeyIsRestoredInTheClear(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	k := mustEnsure(t, n.Ring)
	n.start("ES256", Options{Encryption: encryption(t, oldKEK), Predecessor: n.Ring})
	mustEnsure(t, n.Ring)
	if err := n.storage.FileStorage.Delete(t.Context(), n.store.nameOf(k)); err != nil {
		t.Fatal(err)
	}
	n.pass(time.Minute)
	n.maintain()
	for _, s := range n.States() {
		if s.ID == k.ID && s.Encryption == "" && !s.Missing {
			t.Errorf("%s was written in the clear by a server that is to encrypt", s.ID)
		}
	}
}

// two servers whose key encryption keys are in another order, or whose
// algorithms differ, make a key at each reload.
func TestKeysDoNotMultiplyWithReloads(t *testing.T) {
	storage, wall := newStorage(t), newClock(testTime)
	one, two := newNode(t, storage, "ES256", testTime), newNode(t, storage, "ES256", testTime)
	one.wall, two.wall = wall, wall
	a, b := encryption(t, oldKEK, newKEK), encryption(t, newKEK, oldKEK)
	one.start("ES256", Options{Encryption: a})
	two.start("ES256", Options{Encryption: b})
	mustEnsure(t, one.Ring)
	for range 200 {
		wall.advance(10 * time.Minute)
		one.elapsed, two.elapsed = one.elapsed+10*time.Minute, two.elapsed+10*time.Minute
		one.start("ES256", Options{Encryption: a, Predecessor: one.Ring})
		mustEnsure(t, one.Ring)
		two.start("ES256", Options{Encryption: b, Predecessor: two.Ring})
		mustEnsure(t, two.Ring)
	}
	if got := len(files(t, storage)); got > 50 {
		t.Errorf("%d keys are published", got)
	}
}

// lateStore holds one Store up, whatever its context says.
type lateStore struct {
	certmagic.Storage
	once  sync.Once
	begun func() // called when the held Store has begun
	go_   chan struct{}
	done  chan struct{}
}

func (s *lateStore) Store(ctx context.Context, key string, value []byte) error {
	late := false
	s.once.Do(func() { late = true })
	if !late {
		return s.Storage.Store(ctx, key, value)
	}
	s.begun()
	<-s.go_
	return s.Storage.Store(context.WithoutCancel(ctx), key, value)
}

// Delete takes the late value back.
func (s *lateStore) Delete(ctx context.Context, key string) error {
	defer close(s.done)
	return s.Storage.Delete(ctx, key)
}

// The write of the very first key hangs; the start is given up, and tried again,
// which works; then the first write arrives, and is taken back. Both are of one kid,
// so in half of the cases the key that signed would lose its kid for good.
func TestAFirstKeyThatIsWrittenLate(t *testing.T) {
	refused := 0
	for range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		late := &lateStore{Storage: &certmagic.FileStorage{Path: t.TempDir()}, begun: cancel, go_: make(chan struct{}), done: make(chan struct{})}
		bounded, wall := storage.NewBounded(late), newClock(testTime)
		if err := NewRing(bounded, testIssuer, "ES256", Options{Now: wall.now, Logger: nil}).Ensure(ctx); err == nil {
			t.Fatal("it is not held up")
		}
		cancel()
		wall.advance(time.Minute)
		r := NewRing(bounded, testIssuer, "ES256", Options{Now: wall.now, Logger: nil})
		mustEnsure(t, r)
		token := mustSign(t, r)
		close(late.go_)
		<-late.done
		wall.advance(time.Minute)
		mustLoad(t, r)
		if verifyAt(t, r, token) != nil {
			refused++
		}
	}
	if refused > 0 {
		t.Errorf("in %d of 12 cases, a token that was handed out is refused", refused)
	}
}
