package jws

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// CertificateThumbprint returns x5t#S256: the SHA-256 of the certificate's DER in
// base64url (RFC 7515 section 4.1.8, RFC 8705 section 3.1).
func CertificateThumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
