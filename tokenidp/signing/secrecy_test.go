package signing

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// privateMember finds the private members of a JWK (RFC 7518 section 6).
var privateMember = regexp.MustCompile(`"(?:d|p|q|dp|dq|qi|k)":"?([A-Za-z0-9_-]{5,})`)

// noSecrets fails for a text with anything of the private halves in the entry.
func noSecrets(t *testing.T, entry []byte, text string) {
	t.Helper()
	for _, m := range privateMember.FindAllSubmatch(entry, -1) {
		for secret := string(m[1]); len(secret) >= 5; secret = secret[min(len(secret), 16):] {
			if part := secret[:min(len(secret), 16)]; len(part) >= 5 && strings.Contains(text, part) {
				t.Errorf("private key material in: %s", text)
				return
			}
		}
	}
}

func logText(t *testing.T, logs *observer.ObservedLogs) string {
	t.Helper()
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	var all strings.Builder
	for _, l := range logs.All() {
		line, err := encoder.EncodeEntry(l.Entry, l.Context)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(line.Bytes())
	}
	return all.String()
}

func TestBrokenEntriesStaySecret(t *testing.T) {
	for what, b := range badEntries(t) {
		storage := newStorage(t)
		writeFile(t, storage, b.name, b.data)
		r, logs := observedRing(storage, "EdDSA")
		err := r.Ensure(t.Context())
		if err == nil {
			t.Fatalf("%s: no error", what)
		}
		noSecrets(t, b.data, err.Error())
		noSecrets(t, b.data, logText(t, logs))
	}
}

func TestFailuresStaySecret(t *testing.T) {
	for _, op := range []string{"", "List", "Load", "Store", "Lock", "Unlock"} {
		storage := newStorage(t)
		k := addKey(t, storage, "2026-03-15", "ES256")
		r, logs := observedRing(storage.failing(syscall.EIO, op), "EdDSA")
		err := r.Ensure(t.Context())
		text := logText(t, logs) + fmt.Sprint(err) + string(r.KeySet().JSON)
		noSecrets(t, encoded(t, k), text)
		if made := r.Active(); made != nil {
			noSecrets(t, encoded(t, made), text)
		}
	}
}

func TestPrintedKeyIsItsID(t *testing.T) {
	k := testKey(t, "2026-03-16", "EdDSA")
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(format, k); got != k.ID {
			t.Errorf("%s prints %s", format, got)
		}
	}
	core, logs := observer.New(zap.DebugLevel)
	zap.New(core).Info("key", zap.Any("key", k))
	noSecrets(t, encoded(t, k), logText(t, logs))
}
