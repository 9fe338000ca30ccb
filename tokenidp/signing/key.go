// Package signing makes, stores, rotates, publishes and uses the keys that sign access
// tokens. It stores them with certmagic's Storage, so every Caddy storage plugin makes a
// cluster.
package signing

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/jws"
)

// DefaultAlgorithm is the default signature algorithm. RFC 9068 section 2.1 requires every
// resource server to support it.
const DefaultAlgorithm = "RS256"

// rsaExponent is the public exponent of every RSA key made here.
const rsaExponent = 65537

// Key is one signing key. It is immutable and bound to one algorithm.
type Key struct {
	// ID is the `kid`: the UTC day the key was made on, as in "2026-03-16" for
	// an issuer's first key and "2026-06-14.482910" for its successors.
	ID        string
	Algorithm string
	CreatedAt time.Time
	// SignsFrom is when the key takes over from its predecessor, decided when
	// it was made.
	SignsFrom time.Time

	kid        keyID // the place of its entry among others, which for a key made here is its ID
	thumbprint string
	public     *jws.Key
	private    crypto.Signer // nil where only the public half is at hand
	header     string        // of its tokens, in base64url; empty where private is nil
	answers    string        // likewise, the header of introspection responses
	sealed     *sealed       // the private half as it is stored; nil where it is stored in the clear, or not at all
	outside    bool          // made and kept outside: only its public half is stored
}

// generate makes a new key. Algorithm must be one of jws.Algorithms.
func generate(id, algorithm string, createdAt, signsFrom time.Time) (*Key, error) {
	private, err := jws.GeneratePrivate(algorithm)
	if err != nil {
		return nil, fmt.Errorf("generating a %s key: %w", algorithm, err)
	}
	return newKey(id, algorithm, createdAt, signsFrom, private)
}

// newKey returns a key that can sign. It checks that the key fits its algorithm, and that
// the private half belongs to the public one.
func newKey(id, algorithm string, createdAt, signsFrom time.Time, private crypto.Signer) (*Key, error) {
	k, err := newPublicKey(id, algorithm, createdAt, signsFrom, private.Public())
	if err != nil {
		return nil, err
	}
	return k.with(private)
}

// newPublicKey returns a key that can verify, but not sign.
func newPublicKey(id, algorithm string, createdAt, signsFrom time.Time, public crypto.PublicKey) (*Key, error) {
	verifying, err := jws.NewKey(id, algorithm, public)
	if err != nil {
		return nil, err
	}
	k := &Key{
		ID: id, Algorithm: verifying.Algorithm, CreatedAt: createdAt.Round(0), SignsFrom: signsFrom.Round(0),
		thumbprint: verifying.Thumbprint(), public: verifying,
	}
	k.kid, _ = parseKeyID(id)
	return k, nil
}

// with returns the key with its private half.
func (k *Key) with(private crypto.Signer) (*Key, error) {
	whole := *k
	whole.private = private
	var err error
	if whole.header, err = k.headerOf("at+jwt"); err != nil { // RFC 9068 section 2.1
		return nil, err
	}
	if whole.answers, err = k.headerOf("token-introspection+jwt"); err != nil { // RFC 9701 section 5
		return nil, err
	}
	if err := whole.probe(); err != nil {
		return nil, fmt.Errorf("its private half does not belong to its public half: %w", err)
	}
	return &whole, nil
}

// headerOf returns the header of JWTs of one type (RFC 8725 section 3.11).
func (k *Key) headerOf(typ string) (string, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{k.Algorithm, k.ID, typ})
	return base64.RawURLEncoding.EncodeToString(header), err
}

// probe signs and verifies, so that a mismatched private half is found.
func (k *Key) probe() error {
	token, err := k.Sign([]byte("{}"))
	if err != nil {
		return err
	}
	m, err := jws.Parse(token)
	if err != nil {
		return err
	}
	return k.public.Verify(m.SigningInput, m.Signature)
}

// Sign signs the claims (a JSON object) as a compact JWS of type at+jwt.
func (k *Key) Sign(claims []byte) (string, error) {
	return k.sign(k.header, claims)
}

// SignIntrospection signs an introspection response (a JSON object) as a compact JWS
// of type token-introspection+jwt.
func (k *Key) SignIntrospection(response []byte) (string, error) {
	return k.sign(k.answers, response)
}

func (k *Key) sign(header string, payload []byte) (string, error) {
	if !k.signs() {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, ErrNoKey)
	}
	token, err := jws.Sign(k.private, k.Algorithm, header, payload)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, err)
	}
	return token, nil
}

// atOnce reports whether the key signed from the moment it was made: the first key, or one
// made with Rotate and now.
func (k *Key) atOnce() bool { return !k.SignsFrom.After(k.CreatedAt) }

// signs reports whether this process has the private half.
func (k *Key) signs() bool { return k.private != nil }

// encryption returns the id of the key encryption key of the stored private half, or "".
func (k *Key) encryption() string {
	if k.sealed == nil {
		return ""
	}
	return k.sealed.KeyEncryptionKey
}

// String returns the ID, so that a printed key never shows its private half.
func (k *Key) String() string { return k.ID }
