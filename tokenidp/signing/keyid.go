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

// keyID is a `kid` taken apart: a UTC day, and a number. The number is 1 where the kid
// is the day alone, as releases before named the first key. Keys from outside have
// kids of any form; for their entries, the day is outsideDay.
type keyID struct {
	day string
	n   int
}

const outsideDay = "outside"

func (id keyID) outside() bool { return id.day == outsideDay }

// outsideID is for an entry of a key from outside. The number is drawn, so that no
// entry is written over another.
func outsideID() (keyID, error) {
	n, err := drawn()
	return keyID{day: outsideDay, n: n}, err
}

// maxPlace bounds what a reader takes, far above what is written.
const maxPlace = 999_999_999

// parseKeyID reads what keyID.String writes, and nothing else.
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

// newKeyID names a key by its day, and draws the number at random: caches of
// verifiers everywhere go by the kid, so that none is used twice. A storage that is lost
// and made anew on the same day gives no old name to a new key. Nor do two nodes that
// make a key at the same moment, where the storage's lock failed or its listing lags:
// each key verifies what it signed.
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

// drawn is a number of six digits.
func drawn() (int, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(900_000))
	if err != nil {
		return 0, fmt.Errorf("drawing a kid: %w", err)
	}
	return 100_000 + int(n.Int64()), nil
}

// byID orders keys by their kid.
func byID(a, b *Key) int {
	if c := a.kid.compare(b.kid); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}
