package verifier

import (
	"math/bits"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// What Go's allocator and maps (since Go 1.24) take on a 64-bit machine, in bytes.
const (
	entryBytes  = 416 // entry and Claims, and their places in the map and the circle of a shard
	stringBytes = 16  // header
	sliceBytes  = 24  // header
	mapBytes    = 48  // header
	groupBytes  = 288 // eight places of a map[string]any
	tableBytes  = 64  // of a map with more than eight, and its directory
)

// weigh estimates the memory that an entry with these claims keeps from being
// freed. It counts what was decoded, not the length of the token: "[]," is three
// bytes there and forty here.
func weigh(c *Claims) int {
	return entryBytes + textWeight(c.KeyID) + stringBytes*(len(c.Audience)+len(c.Scope)) + objectWeight(c.all)
}

func textWeight(s string) int {
	if s == "" {
		return 0
	}
	return (len(s) + len(s)/16 + 15) &^ 15 // to the next of the allocator's sizes
}

func valueWeight(value any) int {
	switch v := value.(type) {
	case string:
		return stringBytes + textWeight(v)
	case strictjson.Number:
		return stringBytes + textWeight(string(v))
	case []any:
		weight := sliceBytes
		if len(v) > 0 {
			weight += stringBytes * powerOfTwo(len(v)) // as append grows it
		}
		for _, element := range v {
			weight += valueWeight(element)
		}
		return weight
	case map[string]any:
		return objectWeight(v)
	}
	return 0
}

func objectWeight(object map[string]any) int {
	weight := mapBytes
	switch places := len(object); {
	case places > 8: // filled to seven eighths at most
		weight += tableBytes + groupBytes*powerOfTwo(places*8/7+1)/8
	case places > 0:
		weight += groupBytes
	}
	for name, value := range object {
		weight += textWeight(name) + valueWeight(value)
	}
	return weight
}

// powerOfTwo is the next one that is not smaller.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
