package command

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/tokenidp/caddy-tokenidp/internal/probe"
)

// diffSide is one of the two configurations.
type diffSide struct {
	name  string
	probe *probe.Probe
	dir   string // of the files of a Git revision; "": the files stay in place
}

// diffSides returns the old and the new configuration.
func (c *call) diffSides() (older, newer *diffSide, err error) {
	names, err := c.diffNames()
	if err != nil {
		return nil, nil, err
	}
	if older, err = c.diffSide(names[0]); err != nil {
		return nil, nil, err
	}
	if newer, err = c.diffSide(names[1]); err != nil {
		older.close()
		return nil, nil, err
	}
	return older, newer, nil
}

// ofRunning means the configuration of a running Caddy.
const ofRunning = "the running Caddy"

func (c *call) diffNames() ([]string, error) {
	args := c.Args()
	running := c.String("running")
	switch {
	case running == "" && len(args) == 2:
		return args, nil
	case running == "":
		return nil, errors.New("name two configurations, as in: diff old/Caddyfile Caddyfile; or one, with --running")
	case running != "old" && running != "new":
		return nil, notOneOf("--running", running, []string{"old", "new"})
	case len(args) != 1:
		return nil, errors.New("with --running, name one configuration, as in: diff --running Caddyfile")
	case running == "old":
		return []string{ofRunning, args[0]}, nil
	}
	return []string{args[0], ofRunning}, nil
}

func (c *call) diffSide(name string) (s *diffSide, err error) {
	s = &diffSide{name: name}
	var options probe.Options
	config, err := s.read(c, &options)
	if err == nil {
		s.probe, err = probe.New(withIssuers(config), options)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %s", name, s.shown(err.Error()))
	}
	return s, nil
}

func (s *diffSide) read(c *call, o *probe.Options) ([]byte, error) {
	file := s.name
	if s.name == ofRunning {
		return c.provisioned(true, o)
	}
	if rest, ok := strings.CutPrefix(s.name, "git:"); ok {
		var err error
		if file, err = s.checkOut(rest); err != nil {
			return nil, err
		}
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "Caddyfile")
	}
	config, _, _, err := caddycmd.LoadConfig(file, c.String("adapter"))
	return caddy.RemoveMetaFields(config), err
}

// withIssuers adds the app with an issuer to a configuration from before TokenIDP. No route
// accepts the tokens of that issuer.
func withIssuers(config []byte) []byte {
	var whole map[string]json.RawMessage
	var apps map[string]json.RawMessage
	read := json.Unmarshal //nolint:forbidigo // as Caddy does
	if read(config, &whole) != nil || len(whole["apps"]) > 0 && read(whole["apps"], &apps) != nil || apps["tokenidp"] != nil {
		return config
	}
	if apps == nil {
		apps = make(map[string]json.RawMessage)
	}
	if whole == nil {
		whole = make(map[string]json.RawMessage)
	}
	apps["tokenidp"] = json.RawMessage(`{"trusted": [{"issuer": "https://none.invalid"}]}`)
	whole["apps"], _ = json.Marshal(apps) // it was JSON
	changed, _ := json.Marshal(whole)
	return changed
}

// close removes the files of the revision.
func (s *diffSide) close() {
	if s.probe != nil {
		s.probe.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // it is in the folder for temporary files
	}
}

// shown names files by their path in the repository.
func (s *diffSide) shown(text string) string {
	if s.dir == "" {
		return text
	}
	return strings.ReplaceAll(text, s.dir+string(filepath.Separator), "")
}

// checkOut copies the files of a Git revision, and returns the path of the named file. The
// name is rev:path, with a path relative to the current folder.
func (s *diffSide) checkOut(name string) (string, error) {
	rev, path, ok := strings.Cut(name, ":")
	if !ok || rev == "" || path == "" || filepath.IsAbs(path) {
		return "", errors.New("name a revision and a file in it, as in: git:HEAD~1:Caddyfile")
	}
	top, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	prefix, err := git("rev-parse", "--show-prefix")
	if err != nil {
		return "", err
	}
	tree, err := git("rev-parse", "--verify", "--end-of-options", rev+"^{tree}")
	if err != nil {
		return "", fmt.Errorf("finding the revision: %w", err)
	}
	archive, err := git("-C", oneLine(top), "archive", "--format=tar", oneLine(tree))
	if err != nil {
		return "", err
	}
	if s.dir, err = os.MkdirTemp("", "tokenidp-diff-"); err != nil {
		return "", err
	}
	if s.dir, err = filepath.EvalSymlinks(s.dir); err != nil {
		return "", err
	}
	return filepath.Join(s.dir, oneLine(prefix), path), unpack(archive, s.dir)
}

func oneLine(output []byte) string { return strings.TrimSuffix(string(output), "\n") }

// git runs Git, and returns its output.
func git(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(context.Background(), "git", args...) //nolint:gosec // no argument is an option: see checkOut
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if text := strings.TrimSpace(stderr.String()); err != nil && text != "" {
		return nil, fmt.Errorf("git: %s", text)
	}
	return output, err
}

// unpack writes the folders, files and links of an archive. It writes nothing outside of
// the folder.
func unpack(archive []byte, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is written by it
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = unpackOne(root, header, r)
		}
		if err != nil {
			return fmt.Errorf("unpacking the revision: %w", err)
		}
	}
}

func unpackOne(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o700)
	case tar.TypeSymlink:
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	}
	return nil // the commit, as a comment
}
