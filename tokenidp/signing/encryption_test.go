package signing

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Key encryption keys, as an operator would write them.
var (
	oldKEK   = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	newKEK   = base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfe}, 32))
	wrongKEK = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{3}, 32))
)

func encryption(tb testing.TB, keks ...string) *Encryption {
	tb.Helper()
	e, err := NewEncryption(keks...)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func sealedKey(tb testing.TB, id string) *Key {
	tb.Helper()
	k := testKey(tb, id, "ES256")
	if err := encryption(tb, oldKEK).seal(testIssuer, k); err != nil {
		tb.Fatal(err)
	}
	return k
}

// restarted is a new process with its configuration.
func restarted(t *testing.T, n *node, algorithm string, o Options) *node {
	t.Helper()
	again := &node{t: t, storage: n.storage.sharing(), wall: n.wall, elapsed: n.elapsed}
	again.start(algorithm, o)
	return again
}

// The private half of every key is encrypted, and nothing of it is readable.
func TestPrivateKeysAreEncryptedInTheStorage(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES512", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			n := newNode(t, newStorage(t), alg, testTime)
			n.start(alg, Options{Encryption: encryption(t, oldKEK)})
			k := mustEnsure(t, n.Ring)
			data, err := n.storage.FileStorage.Load(t.Context(), n.store.nameOf(k))
			if err != nil {
				t.Fatal(err)
			}
			clear, err := jose.JSONWebKey{Key: k.private}.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			noSecrets(t, []byte(`{"key":`+string(clear)+`}`), string(data))

			token := mustSign(t, n.Ring)
			again := restarted(t, n, alg, Options{Encryption: encryption(t, oldKEK)})
			if !sameKey(mustEnsure(t, again.Ring), k) || again.storage.writes() != 0 {
				t.Errorf("a restart makes %v", again.storage.calls)
			}
			if err := verifyAt(t, again.Ring, mustSign(t, n.Ring)); err != nil {
				t.Error(err)
			}
			if err := verifyAt(t, n.Ring, token); err != nil {
				t.Error(err)
			}
		})
	}
}

// A node that only verifies needs no key encryption key.
func TestVerifiersNeedNoKeyEncryptionKey(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	n.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	mustEnsure(t, n.Ring)
	reader := restarted(t, n, "ES256", Options{})
	mustLoad(t, reader.Ring)
	if err := verifyAt(t, reader.Ring, mustSign(t, n.Ring)); err != nil {
		t.Error(err)
	}
	if _, _, err := reader.Sign([]byte(`{}`)); err == nil {
		t.Error("it signs")
	}
	if s := reader.States()[0]; s.SignsHere || s.Encryption == "" || s.State != Active {
		t.Errorf("state %+v", s)
	}
}

// A wrong key encryption key, or none, is an error that names the right one, and
// changes nothing.
func TestAWrongKeyEncryptionKeyChangesNothing(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	n.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	k := mustEnsure(t, n.Ring)
	for name, e := range map[string]*Encryption{"wrong": encryption(t, wrongKEK), "none": nil} {
		t.Run(name, func(t *testing.T) {
			for _, algorithm := range []string{"ES256", "RS256"} {
				again := restarted(t, n, algorithm, Options{Encryption: e})
				err := again.Ensure(t.Context())
				if err == nil || !strings.Contains(err.Error(), k.encryption()) || !strings.Contains(err.Error(), e.ids()) || !strings.Contains(err.Error(), k.ID) {
					t.Errorf("Ensure: %v", err)
				}
				if again.storage.writes() != 0 {
					t.Errorf("calls %v", again.storage.calls)
				}
				if _, _, err := again.Sign([]byte(`{}`)); err == nil {
					t.Error("it signs")
				}
			}
			// A reload with it fails too, though the process has the key in memory.
			reloaded := restarted(t, n, "ES256", Options{Encryption: e, Predecessor: n.Ring})
			if err := reloaded.Ensure(t.Context()); err == nil {
				t.Error("a reload with it succeeds")
			}
		})
	}
}

// Turning encryption on is a rotation like any other; the key that was stored in
// the clear goes with its tokens.
func TestTurningEncryptionOnIsARotation(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	first := mustEnsure(t, n.Ring)
	n = restarted(t, n, "ES256", Options{Encryption: encryption(t, oldKEK)})
	mustEnsure(t, n.Ring)
	newest := n.newest()
	if newest.encryption() != encryption(t, oldKEK).keys[0].id || !newest.SignsFrom.Equal(n.wall.now().Add(minLead)) || !sameKey(n.Active(), first) {
		t.Fatalf("newest %s encrypted with %q, signs from %s", newest.ID, newest.encryption(), newest.SignsFrom)
	}
	n.live(retention+2*minLead, 5*time.Minute)
	if s := n.States(); len(s) != 1 || s[0].ID != newest.ID || !s[0].SignsHere {
		t.Errorf("states %+v", s)
	}
}

// Another key encryption key to the front encrypts the keys made from then on, and
// when no key needs the old one, it can be taken away.
func TestAnotherKeyEncryptionKeyIsForNewKeys(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	n.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	old := mustEnsure(t, n.Ring)
	both := encryption(t, newKEK, oldKEK)
	n = restarted(t, n, "ES256", Options{Encryption: both})
	if mustEnsure(t, n.Ring); n.storage.writes() != 0 || !sameKey(n.newest(), old) {
		t.Errorf("calls %v", n.storage.calls)
	}
	if _, err := n.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if n.newest().encryption() != both.keys[0].id {
		t.Errorf("the successor is encrypted with %s", n.newest().encryption())
	}
	if err := restarted(t, n, "ES256", Options{Encryption: encryption(t, newKEK)}).Ensure(t.Context()); err == nil {
		t.Error("the key that signs cannot be decrypted, and nobody says so")
	}
	n.live(retention+2*minLead, 5*time.Minute)
	again := restarted(t, n, "ES256", Options{Encryption: encryption(t, newKEK)})
	if mustEnsure(t, again.Ring); again.storage.writes() != 0 {
		t.Errorf("dropping the old one: %v", again.storage.calls)
	}
}

// A node that cannot decrypt its peer's successor signs on with the key before,
// says so, and accepts the peer's tokens.
func TestANodeWithoutTheNewKeyEncryptionKeySignsOn(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	old := mustEnsure(t, n.Ring)
	peer := restarted(t, n, "ES256", Options{Encryption: encryption(t, oldKEK)})
	mustEnsure(t, peer.Ring)
	n.pass(minLead)
	peer.pass(0)
	if err := n.Maintain(t.Context()); err == nil || !strings.Contains(err.Error(), "key_encryption_key") {
		t.Errorf("Maintain: %v", err)
	}
	if _, kid, err := n.Sign([]byte(`{}`)); err != nil || kid != old.ID {
		t.Errorf("it signs with %s: %v", kid, err)
	}
	if err := verifyAt(t, n.Ring, mustSign(t, peer.Ring)); err != nil {
		t.Error(err)
	}
	if err := verifyAt(t, peer.Ring, mustSign(t, n.Ring)); err != nil {
		t.Error(err)
	}
}

// An encrypted key opens in its own entry only, whole.
func TestEncryptedEntriesCannotBeMixed(t *testing.T) {
	a, b := sealedKey(t, "2026-03-16"), sealedKey(t, "2026-03-16.200000")
	e := encryption(t, newKEK, oldKEK)
	for name, change := range map[string]func(*Key){
		"another's ciphertext": func(k *Key) { k.sealed = b.sealed },
		"another time":         func(k *Key) { k.SignsFrom = k.SignsFrom.Add(time.Second) },
		"another day":          func(k *Key) { k.CreatedAt = k.CreatedAt.Add(time.Second) },
		"a flipped bit": func(k *Key) {
			flipped := *k.sealed
			flipped.Ciphertext = bytes.Clone(flipped.Ciphertext)
			flipped.Ciphertext[20] ^= 1
			k.sealed = &flipped
		},
		"cut off": func(k *Key) {
			k.sealed = &sealed{KeyEncryptionKey: k.sealed.KeyEncryptionKey, Ciphertext: k.sealed.Ciphertext[:10]}
		},
		"nothing": func(k *Key) { k.sealed = &sealed{KeyEncryptionKey: k.sealed.KeyEncryptionKey} },
	} {
		t.Run(name, func(t *testing.T) {
			changed := *a
			change(&changed)
			if k, err := e.open(testIssuer, &changed); err == nil {
				t.Errorf("opened as %v", k)
			}
		})
	}
	if _, err := e.open("https://other.example.com", a); err == nil {
		t.Error("opened for another issuer")
	}
	if k, err := e.open(testIssuer, a); err != nil || !k.signs() {
		t.Errorf("its own: %v, %v", k, err)
	}
}

// What is no key encryption key is refused, with the way to make one, and not
// repeated.
func TestKeyEncryptionKeysAreWhole(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"too short":  base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"too long":   base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"no base64":  "correct horse battery staple",
		"raw bytes":  string(bytes.Repeat([]byte{0xc3}, 32)),
		"in hex":     strings.Repeat("ab", 32),
		"with holes": oldKEK[:20] + " " + oldKEK[20:],
	} {
		_, err := NewEncryption(oldKEK, text)
		if err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") || !strings.Contains(err.Error(), "key 2") {
			t.Errorf("%s: %v", name, err)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
	if _, err := NewEncryption(); err == nil {
		t.Error("none at all is accepted")
	}
	if _, err := NewEncryption("\uFEFF " + oldKEK + "\n"); err != nil {
		t.Errorf("with white space around it: %v", err)
	}
	if a, b := encryption(t, strings.TrimRight(oldKEK, "=")), encryption(t, oldKEK); a.keys[0].id != b.keys[0].id {
		t.Error("padding makes another key of it")
	}
}
