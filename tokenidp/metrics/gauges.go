package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/internal/version"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/application/live"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/audit"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/jwks"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/oauth"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/signing"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/state"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/verifier"
)

// Gauges are a [prometheus.Collector] of what is true when they are collected. The function
// returns nil if there is nothing to collect.
type Gauges func() *Snapshot

// Snapshot is the health of a configuration.
type Snapshot struct {
	Issuers []Issuer
	Trusted []TrustedIssuer
	State   state.Health
	Audit   *audit.Health // nil if there is no audit log
	Usage   Usage
}

// Issuer is the health of an issuer of this server.
type Issuer struct {
	URL      string
	Keys     signing.Health
	Signing  []signing.KeyState
	Verifier verifier.Health

	// Without Applications, the following are nil.

	Files        *live.Health
	Applications *application.Set
	Clients      *oauth.Health
}

// TrustedIssuer is the health of an issuer elsewhere.
type TrustedIssuer struct {
	URL      string
	Keys     jwks.Health
	Verifier verifier.Health
}

var (
	applications = prometheus.NewDesc("caddy_tokenidp_applications",
		"Applications in force, by state: active or inactive.", []string{"issuer", "state"}, nil)
	applicationsInOrder = prometheus.NewDesc("caddy_tokenidp_applications_in_order",
		"1 while every file of Applications is in force as it is, 0 while one is broken or does not fit.", []string{"issuer"}, nil)
	keysInOrder = prometheus.NewDesc("caddy_tokenidp_keys_in_order",
		"1 while the signing keys can be read and rotated, 0 while the storage fails.", []string{"issuer"}, nil)
	secrets = prometheus.NewDesc("caddy_tokenidp_secrets",
		"Secrets of active Applications, by state: valid, expiring (within 30 days) or expired.", []string{"issuer", "state"}, nil)
	trustedKeys = prometheus.NewDesc("caddy_tokenidp_trusted_keys",
		"Keys of a trusted issuer that verify its tokens; 0 before the first fetch, and when they are too old.", []string{"issuer"}, nil)
	trustedConfirmed = prometheus.NewDesc("caddy_tokenidp_trusted_keys_confirmed_timestamp_seconds",
		"When a trusted issuer last confirmed its keys; 0 for never.", []string{"issuer"}, nil)
	trustedInOrder = prometheus.NewDesc("caddy_tokenidp_trusted_keys_in_order",
		"1 while the keys of a trusted issuer can be read, 0 before the first time and while they cannot.", []string{"issuer"}, nil)
	stateSynced = prometheus.NewDesc("caddy_tokenidp_state_synced_timestamp_seconds",
		"When this server last knew all revocations; 0 for never.", nil, nil)
	stateInOrder = prometheus.NewDesc("caddy_tokenidp_state_in_order",
		"1 while the shared state is within reach and current, 0 before the first time and while it is not.", nil, nil)
	stateRevocations = prometheus.NewDesc("caddy_tokenidp_state_revocations",
		"Revocations in force in this server.", nil, nil)
	stateWarnings = prometheus.NewDesc("caddy_tokenidp_state_warnings",
		"Risks in the set-up of the shared state, and parts of it that cannot be read; `caddy tokenidp status` shows them.", nil, nil)
	stateRefused = prometheus.NewDesc("caddy_tokenidp_state_identifiers_refused_total",
		"Single-use identifiers refused: replayed, if they were used before, or unavailable, if that is not known.", []string{"cause"}, nil)
	secretExpires = prometheus.NewDesc("caddy_tokenidp_secret_expiry_timestamp_seconds",
		"When a secret of an active Application expires, or has expired: the 1000 soonest.", []string{"issuer", "client_id", "secret_id"}, nil)
	keyCreated = prometheus.NewDesc("caddy_tokenidp_key_created_timestamp_seconds",
		"When the key that signs was made.", []string{"issuer"}, nil)
	keyRotates = prometheus.NewDesc("caddy_tokenidp_key_rotation_timestamp_seconds",
		"When the next key will sign; absent until it is made.", []string{"issuer"}, nil)
	signatures = prometheus.NewDesc("caddy_tokenidp_signatures_verified_total",
		"Signatures of tokens that were checked. All other tokens were remembered.", []string{"issuer"}, nil)
	remembered = prometheus.NewDesc("caddy_tokenidp_tokens_remembered",
		"Verified tokens in memory.", []string{"issuer"}, nil)
	hashing = prometheus.NewDesc("caddy_tokenidp_secret_hashes",
		"Slow hashes of secrets, by state: computing, or waiting for a processor.", []string{"issuer", "state"}, nil)
	limited = prometheus.NewDesc("caddy_tokenidp_failing_addresses",
		"Addresses from which authentication has failed lately, so that they reach a limit sooner.", []string{"issuer"}, nil)
	auditLost = prometheus.NewDesc("caddy_tokenidp_audit_lines_lost_total",
		"Lines of the audit log that could not be written.", nil, nil)
	auditInOrder = prometheus.NewDesc("caddy_tokenidp_audit_in_order",
		"1 while the audit log can be written, 0 while its output fails.", nil, nil)
	buildInfo = prometheus.NewDesc("caddy_tokenidp_build_info",
		"Always 1; the labels are the versions of this module and of Caddy.", []string{"version", "caddy"}, nil)
)

// mostSecrets bounds the series of secrets.
const mostSecrets = 1000

// Describe sends the descriptions of all gauges.
func (Gauges) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		applications, applicationsInOrder, keysInOrder, secrets,
		trustedKeys, trustedConfirmed, trustedInOrder,
		stateSynced, stateInOrder, stateRevocations, stateWarnings, stateRefused,
		secretExpires, keyCreated, keyRotates, signatures, remembered, hashing, limited, auditLost, auditInOrder, buildInfo,
		routeRequests, clientRequests, clientTokens,
	} {
		descriptions <- d
	}
}

// Collect sends the current values.
func (g Gauges) Collect(samples chan<- prometheus.Metric) {
	snapshot := g()
	if snapshot == nil {
		return
	}
	for _, iss := range snapshot.Issuers {
		iss.collect(samples)
	}
	for _, t := range snapshot.Trusted {
		t.collect(samples)
	}
	collectState(snapshot.State, samples)
	snapshot.Usage.collect(snapshot.Issuers, samples)
	if a := snapshot.Audit; a != nil {
		samples <- prometheus.MustNewConstMetric(auditLost, prometheus.CounterValue, float64(a.Lost))
		samples <- prometheus.MustNewConstMetric(auditInOrder, prometheus.GaugeValue, oneIf(a.Problem == ""))
	}
	module, caddy := version.Of()
	samples <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, module, caddy)
}

func (iss Issuer) collect(samples chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, state ...string) {
		samples <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{iss.URL}, state...)...)
	}
	for _, k := range iss.Signing {
		if k.State == signing.Active {
			gauge(keyCreated, timestamp(k.CreatedAt))
			if !k.RetiresAt.IsZero() {
				gauge(keyRotates, timestamp(k.RetiresAt))
			}
		}
	}
	collectVerifier(iss.URL, iss.Verifier, samples)
	if iss.Clients != nil {
		gauge(hashing, float64(iss.Clients.Hashing), "computing")
		gauge(hashing, float64(iss.Clients.Waiting), "waiting")
		gauge(limited, float64(iss.Clients.Sources))
	}
	if iss.Keys.Checked {
		gauge(keysInOrder, oneIf(iss.Keys.Problem == ""))
	}
	if iss.Files == nil {
		return
	}
	gauge(applicationsInOrder, oneIf(iss.Files.InOrder))
	active, inactive := iss.Applications.CountActive()
	gauge(applications, float64(active), "active")
	gauge(applications, float64(inactive), "inactive")
	for validity, count := range iss.Applications.CountSecrets(time.Now()) {
		gauge(secrets, float64(count), string(validity))
	}
	for _, s := range soonest(iss.Applications) {
		gauge(secretExpires, timestamp(s.Expires), s.Application.ClientID, s.ID)
	}
}

// soonest returns the secrets of active Applications that expire first.
func soonest(set *application.Set) (all []application.PlacedSecret) {
	for s := range set.Secrets() {
		if s.Application.Active && !s.Expires.IsZero() {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b application.PlacedSecret) int { return a.Expires.Compare(b.Expires) })
	return all[:min(len(all), mostSecrets)]
}

func collectVerifier(issuer string, h verifier.Health, samples chan<- prometheus.Metric) {
	samples <- prometheus.MustNewConstMetric(signatures, prometheus.CounterValue, float64(h.Signatures), issuer)
	samples <- prometheus.MustNewConstMetric(remembered, prometheus.GaugeValue, float64(h.Remembered), issuer)
}

func (t TrustedIssuer) collect(samples chan<- prometheus.Metric) {
	collectVerifier(t.URL, t.Verifier, samples)
	h, keys := t.Keys, 0.0
	if !h.Expired {
		keys = float64(h.Keys)
	}
	for description, value := range map[*prometheus.Desc]float64{
		trustedKeys: keys, trustedConfirmed: timestamp(h.LastSuccess), trustedInOrder: oneIf(h.Keys > 0 && !h.Stale && !h.Expired),
	} {
		samples <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, t.URL)
	}
}

func collectState(h state.Health, samples chan<- prometheus.Metric) {
	for description, value := range map[*prometheus.Desc]float64{
		stateSynced: timestamp(h.LastSync), stateInOrder: oneIf(h.Synced && h.Problem == ""),
		stateRevocations: float64(h.Revocations), stateWarnings: float64(len(h.Warnings)),
	} {
		samples <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value)
	}
	samples <- prometheus.MustNewConstMetric(stateRefused, prometheus.CounterValue, float64(h.Replayed), "replayed")
	samples <- prometheus.MustNewConstMetric(stateRefused, prometheus.CounterValue, float64(h.Unavailable), "unavailable")
}

// timestamp returns a time in seconds, or 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

var _ prometheus.Collector = Gauges(nil)
