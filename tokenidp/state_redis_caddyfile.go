package tokenidp

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
)

// UnmarshalCaddyfile sets up the state from Caddyfile tokens. Syntax:
//
//	state redis <url>... {
//	    username          <name>
//	    password          <placeholder>
//	    sentinel_master   <name>
//	    sentinel_username <name>
//	    sentinel_password <placeholder>
//	    cluster
//	    tls_ca            <file>
//	    tls_client        <certificate-file> <key-file>
//	    prefix            <prefix>
//	    wait_replicas     <number>
//	    insecure_plaintext
//	}
//
// Relative paths start at the folder of the Caddyfile.
func (s *StateRedis) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	s.Source = place(d)
	s.URLs = d.RemainingArgs()
	if len(s.URLs) == 0 {
		return d.Err("write: state redis <url>..., as in: state redis rediss://redis.example.com:6379")
	}
	for _, raw := range s.URLs {
		if strings.Contains(raw, "{") {
			continue // a placeholder, which is replaced later
		}
		if _, err := state.ParseRedisURL(raw); err != nil {
			return d.WrapErr(err)
		}
	}
	given := make(map[string]bool)
	for d.NextBlock(0) {
		if given[d.Val()] {
			return d.Errf("%s is given twice", d.Val())
		}
		given[d.Val()] = true
		if err := s.unmarshalOption(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *StateRedis) unmarshalOption(d *caddyfile.Dispenser) (err error) {
	switch name := d.Val(); name {
	case "username":
		s.Username, err = stateArg(d, "username <name>, as in: username caddy")
	case "password":
		s.Password, err = stateArg(d, "password <placeholder>, as in: password {file./run/secrets/redis}")
	case "sentinel_master":
		s.SentinelMaster, err = stateArg(d, "sentinel_master <name>, as in: sentinel_master mymaster")
	case "sentinel_username":
		s.SentinelUsername, err = stateArg(d, "sentinel_username <name>, as in: sentinel_username caddy")
	case "sentinel_password":
		s.SentinelPassword, err = stateArg(d, "sentinel_password <placeholder>, as in: sentinel_password {file./run/secrets/sentinel}")
	case "cluster":
		s.Cluster, err = stateFlag(d)
	case "tls_ca":
		s.TLSCA, err = stateArg(d, "tls_ca <file>, as in: tls_ca redis-ca.pem")
		s.TLSCA = besideCaddyfile(d, s.TLSCA)
	case "tls_client":
		args := d.RemainingArgs()
		if len(args) != 2 || args[0] == "" || args[1] == "" {
			return d.Err("write: tls_client <certificate-file> <key-file>, as in: tls_client caddy.pem caddy-key.pem")
		}
		s.TLSCertificate, s.TLSKey = besideCaddyfile(d, args[0]), besideCaddyfile(d, args[1])
	case "prefix":
		s.Prefix, err = stateArg(d, "prefix <prefix>, as in: prefix shop:")
	case "wait_replicas":
		var text string
		if text, err = stateArg(d, "wait_replicas <number>, as in: wait_replicas 1"); err == nil {
			if s.WaitReplicas, err = strconv.Atoi(text); err != nil || s.WaitReplicas < 1 {
				err = d.Errf("wait_replicas: %q is not a positive number; write it as 1", text)
			}
		}
	case "insecure_plaintext":
		s.InsecurePlaintext, err = stateFlag(d)
	default:
		err = d.Errf("unrecognized option %s in state redis; known: username, password, sentinel_master, sentinel_username, sentinel_password, cluster, tls_ca, tls_client, prefix, wait_replicas, insecure_plaintext", name)
	}
	return err
}

// stateFlag is a subdirective without arguments.
func stateFlag(d *caddyfile.Dispenser) (bool, error) {
	name := d.Val()
	if d.NextArg() {
		return false, d.Errf("%s takes no argument: it is on when written, and off when left out", name)
	}
	return true, nil
}

// besideCaddyfile returns an absolute path. A relative one starts at the folder of the
// Caddyfile.
func besideCaddyfile(d *caddyfile.Dispenser, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	absolute, err := filepath.Abs(filepath.Join(filepath.Dir(d.File()), path))
	if err != nil {
		return path
	}
	return absolute
}
