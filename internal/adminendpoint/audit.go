package adminendpoint

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tokenidp/caddy-tokenidp/tokenidp"
	"github.com/tokenidp/caddy-tokenidp/tokenidp/refusallog"
)

// An operation is what an operator does at the admin endpoint, for the log: the command
// that does the same, and the messages of its success and its failure.
type operation struct{ command, done, failed string }

var (
	revokeOperation = operation{"tokenidp revoke", "tokens revoked by an operator", "revocation by an operator failed"}
	rotateOperation = operation{"tokenidp keys rotate", "signing keys rotated by an operator", "key rotation by an operator failed"}
)

// An operator's request for an App. It returns the answer, and for the log what has
// changed or was to change.
type operatorHandler func(app *tokenidp.App, w http.ResponseWriter, r *http.Request) (answer any, details []zap.Field, err error)

// operate has the handler serve requests that change something. It writes one line about
// each: who asked, and what has changed, or what was asked and why nothing has changed.
func (e *Endpoint) operate(op operation, handler operatorHandler) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		app := e.serving()
		logger := e.logger(app)
		var answer any
		var details []zap.Field
		err := check(r, http.MethodPost, app)
		if err == nil {
			answer, details, err = handler(app, w, r)
		}
		fields := append([]zap.Field{zap.String("command", op.command)}, operator(r)...)
		fields = append(fields, details...)
		record(app, r, op, details, err)
		if err != nil {
			level, status := failure(err)
			logger.Log(level, op.failed, append(fields, zap.Int("status", status), zap.String("cause", refusallog.Loggable(err.Error())))...)
			return err
		}
		logger.Info(op.done, fields...)
		return writeJSON(w, answer)
	}
}

// record writes the operation to the audit log.
func record(app *tokenidp.App, r *http.Request, op operation, details []zap.Field, err error) {
	if app == nil {
		return
	}
	fields := zapcore.NewMapObjectEncoder()
	for _, f := range details {
		f.AddTo(fields)
	}
	text := func(name string) string {
		s, _ := fields.Fields[name].(string)
		return s
	}
	o := tokenidp.Operation{
		Who: who(r), Revokes: op == revokeOperation, Issuer: text("issuer"), ClientID: text("client_id"), TokenID: text("jti"), KeyID: text("kid"), Detail: op.command,
	}
	for _, option := range []string{"all", "now"} {
		if set, _ := fields.Fields[option].(bool); set {
			o.Detail += " --" + option
		}
	}
	if err != nil {
		_, o.Status = failure(err)
		o.Cause = refusallog.Loggable(err.Error())
	}
	app.RecordOperation(o)
}

// who returns the name in the certificate of an operator, or else the address.
func who(r *http.Request) string {
	if certificate := verifiedCertificate(r); certificate != nil {
		return certificate.Subject.String()
	}
	return "admin endpoint, from " + cmp.Or(r.RemoteAddr, "a Unix socket")
}

// failure returns the status of an error, and its level: a mistake of the operator is a
// warning.
func failure(err error) (zapcore.Level, int) {
	status := http.StatusInternalServerError
	if api, ok := errors.AsType[caddy.APIError](err); ok {
		status = api.HTTPStatus
	}
	if status >= http.StatusInternalServerError {
		return zap.ErrorLevel, status
	}
	return zap.WarnLevel, status
}

// operator returns what the admin endpoint knows about who asks: the address, and with
// remote administration the certificate. At a Unix socket there is no address.
func operator(r *http.Request) []zap.Field {
	ip, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	fields := []zap.Field{zap.String("remote_ip", ip), zap.String("remote_port", port)}
	if certificate := verifiedCertificate(r); certificate != nil {
		key := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
		fields = append(fields, zap.String("client_certificate", certificate.Subject.String()), zap.String("client_key_sha256", hex.EncodeToString(key[:])))
	}
	return fields
}

func verifiedCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}
