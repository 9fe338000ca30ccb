//go:build peers

package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokenidp/caddy-tokenidp/internal/redistest"
)

// manifest is an object of Kubernetes that the API types have decoded strictly.
type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		Type, JobLabel string
		ClusterIP      string
		Ports          []struct {
			Name       string
			TargetPort any
		}
		Endpoints []struct{ Port, Path string }
		Template  struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				AutomountServiceAccountToken  *bool
				TerminationGracePeriodSeconds int
				SecurityContext               struct {
					RunAsNonRoot   bool
					RunAsUser      int
					SeccompProfile struct{ Type string }
				}
				Containers []struct {
					Image           string
					SecurityContext struct {
						AllowPrivilegeEscalation *bool
						ReadOnlyRootFilesystem   bool
						Capabilities             struct{ Drop []string }
					}
					Ports        []struct{ Name string }
					Env          []struct{ Name, Value string }
					VolumeMounts []struct{ Name, SubPath, MountPath string }
				}
				Volumes []struct {
					Name      string
					ConfigMap struct{ Name string }
					Projected struct {
						Sources []struct {
							ConfigMap struct {
								Name  string
								Items []struct{ Key, Path string }
							}
						}
					}
				}
			}
		}
	}
}

// readManifests decodes the manifests of the page, by kind and name.
func readManifests(t *testing.T) map[string]manifest {
	t.Helper()
	files, err := filepath.Glob("../docs/deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	others, err := filepath.Glob("../examples/kubernetes/manifests/*.yaml")
	if err != nil || len(others) == 0 {
		t.Fatal(err)
	}
	var all []manifest
	readDeployment(t, &all, append(append([]string{"manifests"}, others...), files...)...)
	found := make(map[string]manifest)
	for _, m := range all {
		found[m.Kind+"/"+m.Metadata.Name] = m
	}
	return found
}

// The API types of Kubernetes decode the manifests, which fit each other and give the pods
// no more than they need.
func TestPeerKubernetesManifests(t *testing.T) {
	t.Parallel()
	all := readManifests(t)
	deployment := all["Deployment/idp"]
	pod := all["Deployment/idp"].Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("%+v", deployment)
	}
	c := pod.Containers[0]
	switch s := c.SecurityContext; {
	case !versioned.MatchString(c.Image):
		t.Errorf("the image %s has no version", c.Image)
	case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}):
		t.Errorf("%+v", s)
	case !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65532 || pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault":
		t.Errorf("%+v", pod.SecurityContext)
	case pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken:
		t.Error("the pods have a token of the API server")
	}
	for _, v := range pod.Volumes {
		for _, source := range v.Projected.Sources {
			if _, ok := all["ConfigMap/"+source.ConfigMap.Name]; !ok {
				t.Errorf("there is no ConfigMap %s", source.ConfigMap.Name)
			}
			own := strings.TrimPrefix(source.ConfigMap.Name, "applications-") + ".yaml"
			if items := source.ConfigMap.Items; len(items) != 1 || items[0].Key != own || items[0].Path != own {
				t.Errorf("the ConfigMap %s can replace the file of another team: %v", source.ConfigMap.Name, items)
			}
		}
		if name := v.ConfigMap.Name; name != "" && all["ConfigMap/"+name].Kind == "" {
			t.Errorf("there is no ConfigMap %s", name)
		}
	}
	admin := false
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("%s would never change", m.Name)
		}
		admin = admin || m.MountPath == filepath.Dir(strings.TrimPrefix(adminSocket(t, all), "unix/"))
	}
	if !admin {
		t.Errorf("nothing is mounted for %s", adminSocket(t, all))
	}
	var ports []string
	for _, port := range c.Ports {
		ports = append(ports, port.Name)
	}
	for _, name := range []string{"Service/idp", "Service/idp-metrics"} {
		for _, port := range all[name].Spec.Ports {
			if target, _ := port.TargetPort.(string); !slices.Contains(ports, target) {
				t.Errorf("%s: the container has no port %v", name, port.TargetPort)
			}
			if name == "Service/idp" && port.TargetPort == "probes" {
				t.Error("everybody sees the metrics")
			}
		}
	}
	monitor, metrics := all["ServiceMonitor/idp"].Spec, all["Service/idp-metrics"]
	if metrics.Metadata.Labels[monitor.JobLabel] != "caddy" || monitor.Endpoints[0].Port != metrics.Spec.Ports[0].Name || monitor.Endpoints[0].Path != "/metrics" {
		t.Errorf("%+v %+v", monitor, metrics)
	}
	caddyfile := all["ConfigMap/idp-caddyfile"].Data["Caddyfile"]
	if !strings.Contains(caddyfile, "shutdown_delay 10s") || !strings.Contains(caddyfile, "grace_period 25s") || pod.TerminationGracePeriodSeconds <= 10+25 {
		t.Errorf("a pod is killed after %d s", pod.TerminationGracePeriodSeconds)
	}
}

// adminSocket is the address of the admin endpoint in a pod.
func adminSocket(t *testing.T, all map[string]manifest) string {
	t.Helper()
	for _, v := range all["Deployment/idp"].Spec.Template.Spec.Containers[0].Env {
		if v.Name == "CADDY_ADMIN" && strings.HasPrefix(v.Value, "unix//") && strings.HasSuffix(v.Value, "|0600") {
			return v.Value
		}
	}
	t.Fatal("kubectl port-forward reaches the admin endpoint")
	return ""
}

// kubernetes is a pod on this machine: its mounts, and what it reaches.
type kubernetes struct {
	t     *testing.T
	all   map[string]manifest
	dir   string
	ports *ports
	redis *redistest.Server
	// secrets and hashes are those of the Applications, by team.
	secrets, hashes map[string]string
}

func newKubernetes(t *testing.T) *kubernetes {
	t.Helper()
	k := &kubernetes{t: t, all: readManifests(t), dir: t.TempDir(), ports: newPorts(t), secrets: make(map[string]string), hashes: make(map[string]string)}
	sh(t, k.dir, "mkdir etc applications secrets && openssl rand -base64 32 >secrets/kek && printf password >secrets/redis-password")
	for _, team := range []string{"orders", "stock"} {
		k.secrets[team], k.hashes[team] = newSecret(t)
	}
	k.redis = redistest.New(t, k.ports.free["5006"], "--requirepass", "password")
	text := strings.NewReplacer(
		"https_port 8443", "https_port 5001\n\tauto_https disable_redirects\n\tskip_install_trust", "http_port 8080", "http_port 5004",
		"https://idp.example.com", "https://localhost:5001", "\nidp.example.com", "\nlocalhost:5001", ":8081 {", ":5002 {\n\tbind 127.0.0.1",
		"rediss://redis.example.internal:6379", "redis://127.0.0.1:5006",
		"/run/secrets/idp", k.dir+"/secrets", "/etc/caddy-applications", k.dir+"/applications",
	).Replace(k.all["ConfigMap/idp-caddyfile"].Data["Caddyfile"])
	write(t, filepath.Join(k.dir, "etc/Caddyfile"), k.ports.replace(text))
	return k
}

// mount updates the volume of Applications as the kubelet does: all files are in a new
// folder, and the link ..data is exchanged.
func (k *kubernetes) mount(files map[string]string) {
	k.t.Helper()
	folder := filepath.Join(k.dir, "applications")
	version, err := os.MkdirTemp(folder, "..2026_")
	if err != nil {
		k.t.Fatal(err)
	}
	data := filepath.Join(folder, "..data")
	before, _ := os.Readlink(data)
	for name, text := range files {
		write(k.t, filepath.Join(version, name), text)
	}
	if err := os.Symlink(filepath.Base(version), data+"_tmp"); err != nil {
		k.t.Fatal(err)
	}
	rename(k.t, data+"_tmp", data)
	for name := range files {
		if err := os.Symlink("..data/"+name, filepath.Join(folder, name)); err != nil && !os.IsExist(err) {
			k.t.Fatal(err)
		}
	}
	links, _ := filepath.Glob(filepath.Join(folder, "*.yaml"))
	for _, link := range links {
		if _, ok := files[filepath.Base(link)]; !ok {
			sh(k.t, folder, "rm "+filepath.Base(link))
		}
	}
	if before != "" {
		sh(k.t, folder, "rm -r ./"+before)
	}
}

// published is the ConfigMap of a team, as it is in the page.
func (k *kubernetes) published(team string) string {
	text := k.all["ConfigMap/applications-"+team].Data[team+".yaml"]
	return k.ports.replace(strings.ReplaceAll(text, "idp.example.com", "localhost:5001"))
}

// declared is the ConfigMap of a team with the Application that is a comment in the page.
func (k *kubernetes) declared(team string) string {
	text := regexp.MustCompile(`(?m)^#(applications:|  .*)$`).ReplaceAllString(k.published(team), "$1")
	return strings.NewReplacer(`"$sha256$…"`, k.hashes[team], "2027-06-30", time.Now().AddDate(0, 6, 0).Format(time.DateOnly)).Replace(text)
}

// teams are the ConfigMaps with Applications, and other texts for some.
func (k *kubernetes) teams(replaced map[string]string) map[string]string {
	files := make(map[string]string)
	for _, name := range []string{"orders", "stock"} {
		files[name+".yaml"] = k.declared(name)
		if text, ok := replaced[name]; ok {
			files[name+".yaml"] = text
		}
	}
	return files
}

func (k *kubernetes) start() *caddy {
	k.t.Helper()
	return launch(k.t, &caddy{dir: filepath.Join(k.dir, "etc"), home: k.t.TempDir(), ports: k.ports, admin: strings.Replace(adminSocket(k.t, k.all), "/run/caddy", k.dir, 1)}, "Caddyfile")
}

// wantChecked runs check, which must find no more than a note in what the page shows.
func wantChecked(t *testing.T, caddyfile string) {
	t.Helper()
	cmd := caddyCommand(filepath.Dir(caddyfile), t.TempDir(), "", "tokenidp", "check", "--config", caddyfile, "--fail-on", "warning")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("check %s: %v\n%s", caddyfile, err, output)
	}
}

// status is that of a token request of a team's worker.
func (k *kubernetes) status(c *caddy, team, secret string) int {
	k.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {team + ".read"}}
	r := c.request(http.MethodPost, "https://localhost:5001/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	r.SetBasicAuth(team+"-worker", secret)
	return c.once(r).StatusCode
}

// What the page says of a pod, from its mounts to its end, with the real Redis.
func TestPeerKubernetes(t *testing.T) {
	t.Parallel()
	k := newKubernetes(t)
	k.redis.Start()
	k.mount(k.teams(nil))
	wantChecked(t, filepath.Join(k.dir, "etc/Caddyfile"))
	write(t, k.dir+"/admin.sock", "of a pod that was killed")
	c := k.start()
	if info, err := os.Stat(k.dir + "/admin.sock"); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket of the admin endpoint is %v %v", info, err)
	}
	probe := func(path string) int {
		return send(t, adminClient, c.request(http.MethodGet, "http://127.0.0.1:5002"+path, "")).StatusCode
	}
	c.eventually("it to be ready", func() bool { return probe("/ready") == http.StatusOK })
	secret := k.secrets["orders"]
	if got := []int{k.status(c, "orders", secret), k.status(c, "stock", k.secrets["stock"]), probe("/live"), probe("/metrics")}; !slices.Equal(got, []int{200, 200, 200, 200}) {
		t.Errorf("%v", got)
	}

	// One team breaks its ConfigMap, and the other one changes.
	generated, hash := newSecret(t)
	stock := regexp.MustCompile(`hash: .*`).ReplaceAllLiteralString(k.teams(nil)["stock.yaml"], "hash: "+hash)
	k.mount(k.teams(map[string]string{"orders": "applications:\n  - client_id: orders-wor", "stock": stock}))
	c.eventually("the change of the other team", func() bool { return k.status(c, "stock", generated) == http.StatusOK })
	if got := []int{k.status(c, "orders", secret), probe("/ready")}; !slices.Equal(got, []int{200, 200}) {
		t.Errorf("with a broken ConfigMap: %v", got)
	}
	if output, code := c.ctl("status"); code != 1 || !strings.Contains(output, "applications/orders.yaml:") {
		t.Errorf("status ends with %d: %s", code, output)
	}

	// A pod that starts meanwhile does not.
	if output := fails(t, filepath.Join(k.dir, "etc"), t.TempDir()); !strings.Contains(output, "applications/orders.yaml:") {
		t.Errorf("with a broken ConfigMap, it says %s", output)
	}

	// A secret that is mounted later.
	later := strings.NewReplacer("hash: "+regexp.MustCompile(`hash: (.*)`).FindStringSubmatch(stock)[1], "file: "+k.dir+"/later").Replace(stock)
	k.mount(k.teams(map[string]string{"stock": later}))
	c.eventually("the missing secret", func() bool {
		output, _ := c.ctl("status")
		return strings.Contains(output, k.dir+"/later") && !strings.Contains(output, "orders.yaml:")
	})
	if got := k.status(c, "stock", generated); got != http.StatusOK {
		t.Errorf("the last good version gets %d", got)
	}
	write(t, k.dir+"/later", "another-secret-from-the-vault")
	c.eventually("the secret", func() bool { return k.status(c, "stock", "another-secret-from-the-vault") == http.StatusOK })

	// The end.
	c.signal(syscall.SIGTERM)
	c.eventually("the end to be told", func() bool { return probe("/ready") == http.StatusServiceUnavailable })
	if got := []int{k.status(c, "orders", secret), probe("/live")}; !slices.Equal(got, []int{200, 200}) {
		t.Errorf("while it ends: %v", got)
	}
	c.ended()

	// Another key encryption key, in place of the old one, and before it.
	caddyfile := filepath.Join(k.dir, "etc/Caddyfile")
	old, text := "{file."+k.dir+"/secrets/kek}", read(t, caddyfile)
	replaced := strings.Replace(text, old, "{file."+k.dir+"/secrets/kek-new}", 1)
	sh(t, k.dir, "openssl rand -base64 32 >secrets/kek-new")
	k.mount(k.teams(nil))
	write(t, caddyfile, replaced)
	if output := fails(t, filepath.Join(k.dir, "etc"), c.home); !strings.Contains(output, "add the right one, behind the one for new keys") {
		t.Errorf("with another key encryption key, it says %s", output)
	}
	write(t, caddyfile, strings.Replace(replaced, "kek-new}", "kek-new} "+old, 1))
	again := launch(t, &caddy{dir: c.dir, home: c.home, ports: c.ports, admin: c.admin}, "Caddyfile")
	if got := k.status(again, "orders", secret); got != http.StatusOK {
		t.Errorf("with both key encryption keys: %d", got)
	}
	again.kill()
	write(t, caddyfile, text)

	sh(t, k.dir, "rm secrets/kek")
	if output := fails(t, filepath.Join(k.dir, "etc"), t.TempDir()); !strings.Contains(output, "key_encryption_key {file."+k.dir+"/secrets/kek} has no value") {
		t.Errorf("without the Secret, it says %s", output)
	}
}

// newSecret makes a secret and its hash.
func newSecret(t *testing.T) (secret, hash string) {
	t.Helper()
	output, errs, code := command(t, t.TempDir(), "", "tokenidp", "secret")
	found := regexp.MustCompile(`hash: (\S+)`).FindStringSubmatch(output + errs)
	if code != 0 || found == nil {
		t.Fatalf("%d %s %s", code, output, errs)
	}
	return regexp.MustCompile(`tidp_\S+`).FindString(output), found[1]
}
