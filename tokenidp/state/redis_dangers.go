package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// inspectInterval is how often the set-up of Redis is checked, besides after every
// restart.
const inspectInterval = time.Minute

// inspect checks that Redis still has what was read, and warns of risks in its set-up that
// could lose the state.
func (r *Redis) inspect(ctx context.Context) {
	now := r.clock.elapsed()
	if r.inspected != 0 && now-r.inspected < inspectInterval {
		return
	}
	r.inspected = max(now, 1)
	if whole, err := r.keeps(ctx); err == nil && !whole {
		r.restart()
	}
	warnings := r.dangers(ctx)
	r.mu.Lock()
	before := r.warnings
	r.warnings = warnings
	r.mu.Unlock()
	for _, w := range warnings {
		if !slices.Contains(before, w) {
			r.logger.Warn("Redis may lose what is in it: " + w)
		}
	}
}

// keeps checks the first entry of each stream, and the entries that this version does not
// understand. It returns false if entries are gone that have not expired, or if it is
// unknown which entries are not understood. Then everything must be read again.
func (r *Redis) keeps(ctx context.Context) (whole bool, err error) {
	whole = true
	for i := range r.trails {
		asking, cancel := context.WithTimeout(ctx, pageTimeout)
		first, err := r.client.XRangeN(asking, r.streamKey(i), "-", "+", 1).Result()
		cancel()
		if err != nil {
			return false, err
		}
		if len(first) > 0 && r.trails[i].lacks(entryTime(first[0].ID), r.clock.moment()) {
			whole = false
		}
		gone, err := r.gone(ctx, i, r.trails[i].strangers())
		if err != nil {
			return false, err
		}
		if r.trails[i].forget(gone) {
			whole = false
		}
	}
	return whole, nil
}

// dangers returns the risks of every Redis in use. A Cluster has several.
func (r *Redis) dangers(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok {
		node, err := r.node(ctx)
		if err != nil {
			return nil // out of reach: the next reading reports it
		}
		return dangersOf(ctx, node)
	}
	var mu sync.Mutex
	var warnings []string
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		found := dangersOf(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		for _, w := range found {
			warnings = append(warnings, node.Options().Addr+": "+w)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	slices.Sort(warnings)
	return warnings
}

func dangersOf(ctx context.Context, node *redis.Client) []string {
	var info strings.Builder
	for _, section := range []string{"persistence", "memory", "replication"} {
		text, err := node.Info(ctx, section).Result()
		var refused redis.Error
		switch {
		case errors.As(err, &refused):
			return []string{fmt.Sprintf("it cannot be told, because this user may not ask: %v; allow INFO", err)}
		case err != nil:
			return []string{fmt.Sprintf("it cannot be told, because it is out of reach: %v", err)}
		}
		info.WriteString(text)
	}
	facts := parseInfo(info.String())
	var warnings []string
	if policy := facts["maxmemory_policy"]; facts["maxmemory"] != "0" && facts["maxmemory"] != "" && policy != "noeviction" {
		warnings = append(warnings, "maxmemory-policy is "+policy+", so that keys are dropped when it is full; set it to noeviction")
	}
	if facts["aof_enabled"] == "0" {
		saves, err := node.ConfigGet(ctx, "save").Result()
		switch {
		case err != nil:
			warnings = append(warnings, "appendonly is off, and this user may not ask whether snapshots are saved; set appendonly to yes")
		case saves["save"] == "":
			warnings = append(warnings, "appendonly is off and no snapshots are saved, so that a restart loses all; set appendonly to yes")
		}
	}
	if facts["role"] == "slave" {
		warnings = append(warnings, "it is a replica, which takes no revocation; name the master, or the Sentinels")
	}
	return warnings
}

// parseInfo parses the answer of INFO.
func parseInfo(text string) map[string]string {
	facts := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}
