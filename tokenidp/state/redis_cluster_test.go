package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Redis Cluster, whose one node has all slots: commands whose keys are in several
// slots are refused there too.
func TestRedisCluster(t *testing.T) {
	s := startRedis(t, "--cluster-enabled", "yes")
	s.do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	eventually(t, "the cluster", func() bool { return strings.Contains(fmt.Sprint(s.do("CLUSTER", "INFO")), "cluster_state:ok") })
	nodes := make([]*Redis, 2)
	for i := range nodes {
		nodes[i] = running(t, member(t, RedisOptions{URLs: []string{s.url()}, Cluster: true}))
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

// Replicas that are asked for must have a revocation, or it is not told to be durable.
func TestWaitReplicas(t *testing.T) {
	s := startRedis(t)
	r := member(t, RedisOptions{URLs: []string{s.url()}, WaitReplicas: 1})
	revocation := Revocation{Issuer: issuer, TokenID: "t1", Until: time.Now().Add(time.Hour)}
	if err := r.Revoke(t.Context(), revocation); err == nil || !strings.Contains(err.Error(), "0 of the 1 replicas") {
		t.Errorf("without a replica: %v", err)
	}
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+s.port)
	eventually(t, "the replica", func() bool { return strings.Contains(fmt.Sprint(s.do("INFO", "replication")), "state=online") })
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
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+master.port)
	eventually(t, "the replica", func() bool {
		return strings.Contains(fmt.Sprint(master.do("INFO", "replication")), "state=online")
	})
	sentinel := &server{t: t, dir: t.TempDir(), port: freePort(t), args: []string{"--sentinel"}}
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor shop 127.0.0.1 %s 1\nsentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 5000\n",
		sentinel.port, sentinel.dir, master.port)
	if err := os.WriteFile(filepath.Join(sentinel.dir, "sentinel.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sentinel.kill)
	sentinel.start()
	eventually(t, "the Sentinel to know the replica", func() bool {
		return strings.Contains(fmt.Sprint(sentinel.do("SENTINEL", "REPLICAS", "shop")), replica.port)
	})
	o := RedisOptions{URLs: []string{sentinel.url()}, SentinelMaster: "shop"}
	a, b := running(t, member(t, o)), running(t, member(t, o))
	revokeIn(t, a, "t1")
	eventually(t, "the revocation there", func() bool { return knows(b, "t1") })
	master.kill()
	eventually(t, "the failover", func() bool {
		return a.Revoke(t.Context(), Revocation{Issuer: issuer, TokenID: "t2", Until: time.Now().Add(time.Hour)}) == nil
	})
	eventually(t, "the new master to be followed", func() bool { return knows(b, "t2") && b.Health().Problem == "" })
	eventually(t, "all to be there", func() bool { return replica.stored() >= 2 })
}
