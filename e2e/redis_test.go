package e2e

import (
	"testing"

	"github.com/tokenidp/caddy-tokenidp/internal/redistest"
	"github.com/tokenidp/caddy-tokenidp/internal/testport"
)

// redisServer is a real Redis.
type redisServer struct{ *redistest.Server }

// startRedis starts a Redis that keeps what it is told, unless the arguments say
// otherwise.
func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	s := &redisServer{redistest.New(t, testport.Free(t), args...)}
	s.Start()
	return s
}

// state is the option that has nodes share it.
func (s *redisServer) state() string { return "state redis " + s.URL() }
