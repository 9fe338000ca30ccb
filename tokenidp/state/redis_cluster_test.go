package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/redistest"
	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// A Redis Cluster, whose one node has all slots: commands whose keys are in several
// slots are refused there too.
func TestRedisCluster(t *testing.T) {
	s := startCluster(t, 1)[0]
	nodes := make([]*Redis, 2)
	for i := range nodes {
		nodes[i] = running(t, member(t, RedisOptions{URLs: []string{s.URL()}, Cluster: true}))
	}
	eventually(t, "the nodes to be ready", func() bool { return nodes[0].Ready() == nil && nodes[1].Ready() == nil })
	revokeIn(t, nodes[0], "t1")
	eventually(t, "the revocation there", func() bool { return knows(nodes[1], "t1") })
	for n := range 50 {
		if id := fmt.Sprint(n); !once(t, nodes[n%2], id) || once(t, nodes[1-n%2], id) {
			t.Fatalf("%s is not used once", id)
		}
	}
	if nodes[0].Take(t.Context(), "q", 1, time.Hour) != 0 || nodes[1].Take(t.Context(), "q", 1, time.Hour) == 0 {
		t.Error("the quota is not shared")
	}
}

// startCluster starts a Cluster of masters, which have about as many slots each.
func startCluster(t *testing.T, count int) []*server {
	t.Helper()
	const slots = 16384
	masters := make([]*server, count)
	for i := range masters {
		bus := testport.Free(t)
		masters[i] = startRedis(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		masters[i].Do("CLUSTER", "ADDSLOTSRANGE", i*slots/count, (i+1)*slots/count-1)
		if i > 0 {
			masters[0].Do("CLUSTER", "MEET", "127.0.0.1", masters[i].Port, bus)
		}
	}
	for _, m := range masters {
		eventually(t, "the cluster", func() bool { return strings.Contains(fmt.Sprint(m.Do("CLUSTER", "INFO")), "cluster_state:ok") })
	}
	return masters
}

// Each node of a Cluster has a part of the identifiers, so each is looked at, not only
// the one with the revocations.
func TestDangersOfEveryMasterOfACluster(t *testing.T) {
	masters := startCluster(t, 2)
	for i, endangered := range masters {
		endangered.Do("CONFIG", "SET", "appendonly", "no")
		r := member(t, RedisOptions{URLs: []string{masters[0].URL(), masters[1].URL()}})
		load(t, r)
		if warnings := r.Health().Warnings; len(warnings) != 1 || !strings.HasPrefix(warnings[0], endangered.Addr()+": appendonly is off") {
			t.Errorf("%d: %q", i, warnings)
		}
		endangered.Do("CONFIG", "SET", "appendonly", "yes")
		eventually(t, "Redis to have written its file", func() bool { // else its child outlives the test
			info := fmt.Sprint(endangered.Do("INFO", "persistence"))
			return strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
		})
	}
}

// Replicas that are asked for must have a revocation, or it is not told to be durable.
func TestWaitReplicas(t *testing.T) {
	s := startRedis(t)
	r := member(t, RedisOptions{URLs: []string{s.URL()}, WaitReplicas: 1})
	revocation := Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}
	if err := r.Revoke(t.Context(), revocation); err == nil || !strings.Contains(err.Error(), "0 of the 1 replicas") {
		t.Errorf("without a replica: %v", err)
	}
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+s.Port)
	eventually(t, "the replica", func() bool { return strings.Contains(fmt.Sprint(s.Do("INFO", "replication")), "state=online") })
	if err := r.Revoke(t.Context(), revocation); err != nil {
		t.Errorf("with a replica: %v", err)
	}
	load(t, r) // which also gives Redis what was refused before
	if warnings := replica.member(); warnings.Load(t.Context()) == nil && !contains(warnings.Health().Warnings, "it is a replica") {
		t.Errorf("%q", warnings.Health().Warnings)
	}
}

// TestF23Failover: Sentinel makes the replica the master, after the old one was
// killed. What was revoked is known, and new revocations go to the new master.
func TestF23Failover(t *testing.T) {
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+master.Port)
	eventually(t, "the replica", func() bool {
		return strings.Contains(fmt.Sprint(master.Do("INFO", "replication")), "state=online")
	})
	sentinel := &server{redistest.New(t, testport.Free(t)), t}
	sentinel.StartSentinel("sentinel monitor shop 127.0.0.1 " + master.Port + " 1\nsentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 5000\n")
	eventually(t, "the Sentinel to know the replica", func() bool {
		return strings.Contains(fmt.Sprint(sentinel.Do("SENTINEL", "REPLICAS", "shop")), replica.Port)
	})
	o := RedisOptions{URLs: []string{sentinel.URL()}, SentinelMaster: "shop"}
	a, b := running(t, member(t, o)), running(t, member(t, o))
	revokeIn(t, a, "t1")
	eventually(t, "the revocation there", func() bool { return knows(b, "t1") })
	master.Kill()
	eventually(t, "the failover", func() bool {
		return a.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t2", Until: time.Now().Add(time.Hour)}) == nil
	})
	eventually(t, "the new master to be followed", func() bool { return knows(b, "t2") && b.Health().Problem == "" })
	eventually(t, "all to be there", func() bool { return replica.stored() >= 2 })
}
