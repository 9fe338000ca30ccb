// Package jws parses, signs and verifies JSON Web Signatures in compact serialization (RFC
// 7515). Each key belongs to one algorithm (RFC 7517, 7518, 8037, 8725). There are no
// symmetric algorithms, no "none", no other serialization, no encryption and no
// extensions, so no token can ask for them.
package jws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/tokenidp/caddy-tokenidp/internal/zerocopy"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// MaxTokenSize is the largest token that [Parse] accepts, in bytes.
const MaxTokenSize = 16 << 10

// MaxKeyIDSize is the longest kid in a header, in bytes.
const MaxKeyIDSize = 256

// One error per check of [Parse].
var (
	ErrTooLarge      = errors.New("token is too large")
	ErrNotCompactJWS = errors.New("token is not a compact JWS of three segments")
	ErrNotCanonical  = errors.New("not canonical base64url without padding")
	ErrHeader        = errors.New("malformed or unsupported JWS header")
	ErrCritical      = errors.New("JWS header names critical extensions")
	ErrAlgorithm     = errors.New("JWS algorithm is not supported")
)

// Header has the parameters of a JWS header that are used here. jwk, jku, x5c, x5u and x5t
// are ignored: the author of the token chose them, so they must not select a key (RFC 8725
// section 3.10). Only [ParseProof] reads jwk.
type Header struct {
	Algorithm         string // one of [Algorithms]; "Ed25519" (RFC 9864) reads as "EdDSA"
	KeyID, Type       string
	HasKeyID, HasType bool
}

// Message is a parsed compact JWS. It is not verified.
type Message struct {
	Header       Header
	Payload      string
	SigningInput string // the first two segments with their dot (RFC 7515 section 5.2)
	Signature    []byte
}

// Parse parses a compact JWS (RFC 7515 section 7.1). It does not verify it. It checks the
// size and counts the dots before it allocates. Empty segments are refused: an empty
// payload would be a detached one (RFC 7515 appendix F). Only one spelling of each segment
// is accepted. The error is one of the above.
func Parse(token string) (*Message, error) {
	m, encoded, err := split(token)
	if err != nil {
		return nil, err
	}
	if known := lastHeader.Load(); known != nil && known.encoded == encoded {
		m.Header = known.header
		return m, nil
	}
	members, err := decodeHeader(encoded)
	if err != nil {
		return nil, err
	}
	if m.Header, err = readHeader(members); err != nil {
		return nil, err
	}
	lastHeader.Store(&knownHeader{strings.Clone(encoded), m.Header})
	return m, nil
}

// lastHeader is the header of the last token. Most tokens have the same one, while the
// issuer signs with one key.
var lastHeader atomic.Pointer[knownHeader]

type knownHeader struct {
	encoded string
	header  Header
}

// split decodes all but the header.
func split(token string) (m *Message, encodedHeader string, err error) {
	if len(token) > MaxTokenSize {
		return nil, "", ErrTooLarge
	}
	if strings.Count(token, ".") != 2 {
		return nil, "", ErrNotCompactJWS
	}
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if first == 0 || last == first+1 || last == len(token)-1 {
		return nil, "", ErrNotCompactJWS
	}
	m = &Message{SigningInput: token[:last]}
	payload, err := decodeSegment(token[first+1 : last])
	if err != nil {
		return nil, "", err
	}
	m.Payload = zerocopy.String(payload)
	if m.Signature, err = decodeSegment(token[last+1:]); err != nil {
		return nil, "", err
	}
	return m, token[:first], nil
}

var base64url = base64.RawURLEncoding.Strict()

// decodeSegment refuses line breaks, which Go's decoder skips.
func decodeSegment(encoded string) ([]byte, error) {
	if strings.ContainsAny(encoded, "\r\n") {
		return nil, ErrNotCanonical
	}
	decoded, err := base64url.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCanonical, err)
	}
	return decoded, nil
}

// decodeHeader returns all members of a header.
func decodeHeader(encoded string) (map[string]any, error) {
	data, err := decodeSegment(encoded)
	if err != nil {
		return nil, err
	}
	members, err := strictjson.Object(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	return members, refuseExtensions(members)
}

// refuseExtensions refuses parameters that change how a JWS is read. No extension is
// implemented, so every crit is refused (RFC 7515 section 4.1.11), and b64 too, which some
// libraries accept without crit (RFC 7797). Other unused parameters are ignored (section
// 4), also zip and cty: compressed or nested content is not a JSON object, and is refused
// later.
func refuseExtensions(members map[string]any) error {
	if _, found := members["crit"]; found {
		return ErrCritical
	}
	if _, found := members["b64"]; found {
		return fmt.Errorf("%w: b64 is present", ErrHeader)
	}
	return nil
}

func readHeader(members map[string]any) (h Header, err error) {
	alg, ok := members["alg"].(string)
	if h.Algorithm = Canonical(alg); !ok || !Supported(h.Algorithm) {
		return h, ErrAlgorithm
	}
	_, h.HasKeyID = members["kid"]
	if h.KeyID, ok = optionalString(members, "kid"); !ok || len(h.KeyID) > MaxKeyIDSize {
		return h, fmt.Errorf("%w: kid is not a string of up to %d bytes", ErrHeader, MaxKeyIDSize)
	}
	_, h.HasType = members["typ"]
	if h.Type, ok = optionalString(members, "typ"); !ok {
		return h, fmt.Errorf("%w: typ is not a string", ErrHeader)
	}
	return h, nil
}
