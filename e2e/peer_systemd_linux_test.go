//go:build peers

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// systemd reads the unit with all drop-ins of the page, and finds nothing to say.
func TestPeerSystemdDropIns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unit := strings.ReplaceAll(read(t, "../packaging/caddy-tokenidp.service"), "/usr/bin/caddy-tokenidp", binary)
	write(t, filepath.Join(dir, "caddy-tokenidp.service"), unit)
	// verify returns what names the unit: other units of this machine may have faults, too.
	verify := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, "caddy-tokenidp.service"))
		output, err := cmd.CombinedOutput()
		named := slices.DeleteFunc(slices.Collect(strings.Lines(string(output))), func(line string) bool {
			return !strings.Contains(line, "caddy-tokenidp.service")
		})
		return strings.Join(named, ""), err
	}
	dropIns := 0
	for _, b := range blocks(read(t, "../docs/deploy/systemd.md")) {
		if strings.HasPrefix(b.kind, "ini ") {
			write(t, filepath.Join(dir, "caddy-tokenidp.service.d", b.file()), b.text)
			dropIns++
		}
	}
	if output, err := verify(); err != nil || output != "" || dropIns == 0 {
		t.Errorf("%d drop-ins: %v %s", dropIns, err, output)
	}
	write(t, filepath.Join(dir, "caddy-tokenidp.service.d", "wrong.conf"), "[Service]\nLoadCredentials=kek:/kek\n")
	if output, _ := verify(); !strings.Contains(output, "LoadCredentials") {
		t.Errorf("a wrong drop-in passes: %s", output)
	}
}

// The page installs a Caddy that somebody has built. Its unit starts it, and reloads it
// unless the new configuration is broken.
func TestPeerSystemd(t *testing.T) {
	t.Parallel()
	var install string
	for _, b := range blocks(read(t, "../docs/deploy/systemd.md")) {
		if strings.Contains(b.text, "preinstall.sh") {
			install = b.text
		}
	}
	dir, p := t.TempDir(), newPorts(t)
	script := filepath.Join(dir, "script")
	write(t, script, p.replace(strings.ReplaceAll(inCopy, "INSTALL", install)))
	sh(t, dir, "cp -a "+binary+" caddy && chmod 755 caddy && mkdir packaging")
	for _, name := range []string{"preinstall.sh", "Caddyfile", "caddy-tokenidp.service", "applications.d"} {
		sh(t, "", "cp -a ../packaging/"+name+" "+dir+"/packaging/")
	}
	words := append(strings.Fields(asRoot), filepath.Join(peersFolder(t), "in-copy"), script)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE=halt_on_error=0 atexit_sleep_ms=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

// inCopy does what systemd does for the unit, and what an operator does.
const inCopy = `INSTALL
unit=/etc/systemd/system/caddy-tokenidp.service
config=/etc/tokenidp/Caddyfile
stat --format '%A %U %G %n' /etc/tokenidp /etc/tokenidp/secrets "$config" /etc/tokenidp/applications.d/orders.yaml >modes
diff modes - <<'end'
drwxr-s--- root tokenidp /etc/tokenidp
drwx------ root root /etc/tokenidp/secrets
-rw-r----- root tokenidp /etc/tokenidp/Caddyfile
-rw-r----- root tokenidp /etc/tokenidp/applications.d/orders.yaml
end
as_user=(setpriv --reuid tokenidp --regid tokenidp --init-groups --inh-caps=-all --no-new-privs env --chdir=/ HOME=/var/lib/tokenidp)
commands() { sed -n "s/^$1=//p" "$unit"; }
run() { # the commands of the unit, one after another
	commands "$1" >commands
	while read -r command; do
		"${as_user[@]}" $command || return 1
	done <commands
}
install -d -o tokenidp -g tokenidp -m 700 /var/lib/tokenidp
install -d -o tokenidp -g tokenidp -m 750 /run/tokenidp
sed -i 's/auth.example.com/localhost:5001/; s/^{$/{\n\tauto_https disable_redirects\n\tskip_install_trust/' "$config"
run ExecStartPre
"${as_user[@]}" $(commands ExecStart) >server.log 2>&1 &
server=$!
trap 'kill $server; wait $server || true; cat server.log' EXIT
status() { caddy-tokenidp tokenidp status "$@"; }
for i in $(seq 600); do
	kill -0 $server
	if status --config "$config" >status.log 2>&1; then break; fi
	sleep 0.1
done
cat status.log
grep -q 'all is in order' status.log
echo 'verify' >>"$config"
if run ExecReload; then
	echo "a broken Caddyfile is loaded"
	exit 1
fi
status --address unix//run/tokenidp/admin.sock | grep 'is in order' >/dev/null
sed -i '$d' "$config"
run ExecReload
status --address unix//run/tokenidp/admin.sock | grep 'all is in order' >/dev/null
`
