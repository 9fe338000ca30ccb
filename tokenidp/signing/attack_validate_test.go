package signing

import "testing"

// Ensure runs while a configuration is provisioned, and so for `caddy validate`
// and for a reload that fails. A candidate with another key encryption key in front
// leaves a key behind that the running configuration cannot decrypt, and which then
// neither reloads nor restarts.
func TestACandidateConfigurationDoesNoHarm(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	n.start("ES256", Options{Encryption: encryption(t, oldKEK)})
	mustEnsure(t, n.Ring)
	candidate := restarted(t, n, "ES256", Options{Encryption: encryption(t, newKEK, oldKEK)})
	mustEnsure(t, candidate.Ring) // caddy validate, or a reload that another module fails
	again := restarted(t, n, "ES256", Options{Encryption: encryption(t, oldKEK)})
	if err := again.Ensure(t.Context()); err != nil {
		t.Errorf("the configuration in force does not start any more: %v", err)
	}
}

// the same where the candidate turns encryption on for the first time.
func TestACandidateThatTurnsEncryptionOnDoesNoHarm(t *testing.T) {
	n := newNode(t, newStorage(t), "ES256", testTime)
	mustEnsure(t, n.Ring)
	candidate := restarted(t, n, "ES256", Options{Encryption: encryption(t, newKEK)})
	mustEnsure(t, candidate.Ring)
	if err := restarted(t, n, "ES256", Options{}).Ensure(t.Context()); err != nil {
		t.Errorf("the configuration in force does not start any more: %v", err)
	}
}
