package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: the side of the person, and that of the
// program.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// echoes reports whether the terminal shows what is typed.
func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// typed runs `caddy tokenidp secret --hash --json` at a terminal, types the keys
// when it no longer echoes, and returns what the terminal shows.
func typed(t *testing.T, keys string) (shown, stdout string, code int) {
	t.Helper()
	person, program := terminal(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "tokenidp", "secret", "--hash", "--json")
	cmd.Env = environment(t.TempDir(), "localhost:0")
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, &out, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); echoes(t, program); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal goes on echoing")
		}
	}
	if _, err := person.WriteString(keys); err != nil {
		t.Fatal(err)
	}
	screen := make(chan string)
	go func() {
		text, _ := io.ReadAll(person) // it ends with EIO when the last program is gone
		screen <- string(text)
	}()
	_ = cmd.Wait()
	if !echoes(t, program) {
		t.Error("the terminal is left without echo")
	}
	program.Close()
	select {
	case shown = <-screen:
	case <-time.After(patience):
		t.Fatal("the terminal does not close")
	}
	return shown, out.String(), cmd.ProcessState.ExitCode()
}

// A secret typed at a terminal is shown nowhere.
func TestSecretAtTheTerminal(t *testing.T) {
	t.Parallel()
	const mistyped = generatedSecret + "x"
	for _, row := range []struct {
		name, secret, end string
		hash              func(string) bool
		says              string
	}{
		{"chosen", "correct-horse", "\n", argon2idForm.MatchString, ""},
		{"generated", generatedSecret, "\n", func(hash string) bool { return hash == sha256Of(generatedSecret) }, ""},
		{"corrected", "correct-hors\x7fse", "\n", argon2idForm.MatchString, ""},
		{"mistyped", mistyped, "\n", nil, "its checksum is wrong"},
		{"an empty line", "", "\n", nil, "the secret is empty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			shown, stdout, code := typed(t, row.secret+row.end)
			if !strings.HasPrefix(shown, "Secret (not shown): ") || !strings.Contains(shown, row.says) {
				t.Errorf("the terminal shows %q", shown)
			}
			if row.secret != "" && strings.Contains(shown+stdout, row.secret[:12]) {
				t.Errorf("the secret is shown: %q %q", shown, stdout)
			}
			if row.hash == nil {
				if code != 2 || stdout != "" {
					t.Errorf("exit code %d, %s", code, stdout)
				}
				return
			}
			var d declared
			if err := json.Unmarshal([]byte(stdout), &d); err != nil || code != 0 || d.Secret != "" || !row.hash(d.Hash) {
				t.Errorf("exit code %d, %v: %s", code, err, stdout)
			}
		})
	}
}
