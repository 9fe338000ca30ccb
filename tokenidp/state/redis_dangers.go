package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// inspectInterval is how often the set-up of Redis is looked at, besides at every
// new beginning.
const inspectInterval = time.Minute

// inspect warns of what in the set-up of Redis could lose the state.
func (r *Redis) inspect(ctx context.Context) {
	now := r.clock.elapsed()
	if r.inspected != 0 && now-r.inspected < inspectInterval {
		return
	}
	r.inspected = max(now, 1)
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

func (r *Redis) dangers(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	node, err := r.node(ctx)
	if err != nil {
		return nil // out of reach, as the next reading will tell
	}
	var info strings.Builder
	for _, section := range []string{"persistence", "memory", "replication"} {
		text, err := node.Info(ctx, section).Result()
		if err != nil {
			return []string{fmt.Sprintf("it cannot be told, because this user may not ask: %v; allow INFO", err)}
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

// parseInfo reads the answer of INFO.
func parseInfo(text string) map[string]string {
	facts := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}
