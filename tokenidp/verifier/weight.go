package verifier

import (
	"math/bits"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/strictjson"
)

// What Go's allocator and maps (since Go 1.24) take on a 64-bit machine, in bytes.
const (
	entryBytes  = 448 // entry with its Claims, and its places in the map and the circle of a shard
	stringBytes = 16  // header
	sliceBytes  = 24  // header
	mapBytes    = 48  // header
	groupBytes  = 288 // eight places of a map[string]any
	tableBytes  = 64  // of a map with more than eight, and its directory
)

// weigh estimates the memory that an entry with these claims keeps from being
// freed: their text, of which all strings are parts, and what was made of it. That
// is counted, since "[]," is three bytes in the text and forty more behind it.
func weigh(c *Claims) int {
	return entryBytes + textWeight(len(c.all.text)) + textWeight(len(c.scopeText)) + textWeight(len(c.KeyID)) +
		stringBytes*(len(c.Audience)+len(c.Scope)) + objectWeight(c.All())
}

func textWeight(size int) int {
	if size == 0 {
		return 0
	}
	return (size + size/16 + 15) &^ 15 // to the next of the allocator's sizes
}

func valueWeight(value any) int {
	switch v := value.(type) {
	case string, strictjson.Number:
		return stringBytes
	case []any:
		weight := sliceBytes + stringBytes*cap(v)
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
	for _, value := range object {
		weight += valueWeight(value)
	}
	return weight
}

// powerOfTwo is the next one that is not smaller.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }
