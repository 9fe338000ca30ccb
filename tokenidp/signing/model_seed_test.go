package signing

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var (
	modelSeed      = flag.Uint64("model.seed", 0, "seed of the first schedule of a test with random schedules; 0: a random one")
	modelSchedules = flag.Uint64("model.schedules", 0, "number of schedules of such a test; 0: as many as is usual")
)

// modelSeeds returns the seed of the first schedule of a test and how many there are. Each
// schedule has the seed after that of the one before it. Without -model.seed, each run has
// other schedules.
func modelSeeds(t *testing.T, usual uint64) (first, schedules uint64) {
	t.Helper()
	first, schedules = cmp.Or(*modelSeed, rand.Uint64()), cmp.Or(*modelSchedules, usual)
	t.Logf("-model.seed %d -model.schedules %d", first, schedules)
	return first, schedules
}

// howToRepeat returns the arguments that run one schedule of a test again.
func howToRepeat(t *testing.T, seed uint64) string {
	return fmt.Sprintf("repeat with -run '^%s$' -model.seed %d -model.schedules 1 -v", t.Name(), seed)
}
