// Package warning has the names of the warnings that a configuration causes when it is
// loaded. docs/checks.md has a section for each. A name never changes.
package warning

import "go.uber.org/zap"

// ID is the name of a kind of warning.
type ID string

// Field is the name of the log field that has the ID.
const Field = "check"

// Log returns the log field of the ID.
func (id ID) Log() zap.Field { return zap.String(Field, string(id)) }

// Warnings about the configuration of Caddy.
const (
	InsecureHTTP              ID = "insecure-http"
	InsecurePrivateJWKSURI    ID = "insecure-private-jwks-uri"
	InsecureAssertionAudience ID = "insecure-assertion-audience"
	InsecureBrowserOrigins    ID = "insecure-browser-origins"
	InsecureTrustedHTTP       ID = "insecure-trusted-http"
	InsecureIDTokens          ID = "insecure-id-tokens"
	InsecureRedis             ID = "insecure-redis"
	IssuerNotServed           ID = "issuer-not-served"
	KeyFileOpen               ID = "key-file-open"
	RefusedServed             ID = "refused-served"
	ReportOnly                ID = "report-only"
	ResponseUnverified        ID = "response-unverified"
	RewrittenPath             ID = "rewritten-path"
	RoutesNotUnderstood       ID = "routes-not-understood"
	SecretInEnvironment       ID = "secret-in-environment" //nolint:gosec // it is no secret
	StateInMemory             ID = "state-in-memory"
	UnknownClaimHeader        ID = "unknown-claim-header"
	UnusedIssuer              ID = "unused-issuer"
	UnusedProtectedResource   ID = "unused-protected-resource"
)

// Warnings about the files of Applications.
const (
	ClientIDEscaped    ID = "client-id-escaped"
	InactiveUnreadable ID = "inactive-unreadable"
	KeySkipped         ID = "key-skipped"
	LongTokenLifetime  ID = "long-token-lifetime"
	NoValidSecret      ID = "no-valid-secret"
	SecretExpired      ID = "secret-expired"
	SecretExpiresSoon  ID = "secret-expires-soon"
	SecretFileOpen     ID = "secret-file-open"
	SharedKey          ID = "shared-key"
	SharedSecret       ID = "shared-secret"
	SlowHashes         ID = "slow-hashes"
	TestMistaken       ID = "test-mistaken"
)
