package signing

import (
	"math/rand/v2"
	"strings"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

func joined(kids []string) string { return "[" + strings.Join(kids, " ") + "]" }
