package tokenidp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenidp/caddy-tokenidp/tokenidp/metrics"
)

// counters are the one set of this process: they go on over a reload of the
// configuration.
var counters = metrics.NewCounters()

// RegisterMetrics adds the metrics to the registry of a configuration. All registries
// have the same ones, so that none of them shows a configuration that was refused.
func RegisterMetrics(registry prometheus.Registerer) error {
	for _, c := range append(counters.Collectors(), metrics.Gauges(servingSnapshot)) {
		err := registry.Register(c)
		if _, registered := errors.AsType[prometheus.AlreadyRegisteredError](err); err != nil && !registered {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// servingSnapshot returns the health of the App that serves, or nil while none runs.
func servingSnapshot() *metrics.Snapshot {
	a := serving.latest()
	if a == nil {
		return nil
	}
	s := &metrics.Snapshot{State: a.state.Health()}
	s.Usage.Counted = a.usage
	for _, r := range a.verifyRoutes() {
		s.Usage.Routes = append(s.Usage.Routes, r.ID)
	}
	if h, on := a.AuditHealth(); on {
		s.Audit = &h
	}
	for _, iss := range a.Issuers {
		s.Issuers = append(s.Issuers, iss.health())
	}
	for _, t := range a.Trusted {
		s.Trusted = append(s.Trusted, metrics.TrustedIssuer{URL: t.Issuer, Keys: t.keys.Health(), Verifier: t.verification.Health()})
	}
	return s
}

func (iss *Issuer) health() metrics.Issuer {
	h := metrics.Issuer{URL: iss.Issuer, Keys: iss.keys.Health(), Signing: iss.keys.States(), Applications: iss.applications.Load()}
	if iss.verification != nil {
		h.Verifier = iss.verification.Health()
	}
	if iss.authenticator != nil {
		clients := iss.authenticator.Health()
		h.Clients = &clients
	}
	if iss.library != nil {
		files := iss.library.Health()
		h.Files = &files
	}
	return h
}

// beginSeries begins the series of this App. They continue over a reload.
func (a *App) beginSeries() {
	for _, iss := range a.Issuers {
		if iss.issues {
			counters.BeginIssuer(iss.Issuer)
		}
	}
}

// endSeries removes the series of the issuers that the App which serves now has not.
func (a *App) endSeries() {
	now := serving.latest()
	if now == nil {
		return
	}
	for _, iss := range a.Issuers {
		if !slices.ContainsFunc(now.Issuers, func(other *Issuer) bool { return other.Issuer == iss.Issuer && other.issues }) {
			counters.EndIssuer(iss.Issuer)
		}
	}
}
