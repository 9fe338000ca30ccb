package signing

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keyID is a parsed `kid`: a UTC day, and a number. The number is 1 if the kid is only a
// day, as in earlier releases. Keys from outside have kids of any form; their entries have
// the day outsideDay.
type keyID struct {
	day string
	n   int
}

const outsideDay = "outside"

func (id keyID) outside() bool { return id.day == outsideDay }

// outsideID returns an id for an entry of a key from outside. The number is random, so
// that no entry overwrites another.
func outsideID() (keyID, error) {
	n, err := drawn()
	return keyID{day: outsideDay, n: n}, err
}

// maxPlace bounds the numbers that are read. Those that are written are much smaller.
const maxPlace = 999_999_999

// parseKeyID parses the output of keyID.String, and nothing else.
func parseKeyID(s string) (keyID, bool) {
	day, place, hasPlace := strings.Cut(s, ".")
	if _, err := time.Parse(time.DateOnly, day); err != nil && day != outsideDay {
		return keyID{}, false
	}
	id := keyID{day: day, n: 1}
	if hasPlace {
		n, err := strconv.Atoi(place)
		if err != nil || n < 2 || n > maxPlace {
			return keyID{}, false
		}
		id.n = n
	}
	return id, id.String() == s && (hasPlace || !id.outside())
}

func (id keyID) String() string {
	if id.n == 1 {
		return id.day
	}
	return id.day + "." + strconv.Itoa(id.n)
}

func (id keyID) compare(other keyID) int {
	if c := strings.Compare(id.day, other.day); c != 0 {
		return c
	}
	return id.n - other.n
}

// newKeyID returns a kid with the day and a random number. Verifiers cache keys by kid, so
// no kid may be used twice: not after the storage was lost and made again on the same day,
// and not if two nodes make a key at the same moment because the lock failed or the
// listing lags.
func newKeyID(now time.Time, taken []keyID) (keyID, error) {
	for {
		n, err := drawn()
		if err != nil {
			return keyID{}, err
		}
		id := keyID{day: now.UTC().Format(time.DateOnly), n: n}
		if !slices.Contains(taken, id) {
			return id, nil
		}
	}
}

// drawn returns a random number of six digits.
func drawn() (int, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(900_000))
	if err != nil {
		return 0, fmt.Errorf("drawing a kid: %w", err)
	}
	return 100_000 + int(n.Int64()), nil
}

// byID compares keys by kid.
func byID(a, b *Key) int {
	if c := a.kid.compare(b.kid); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}
