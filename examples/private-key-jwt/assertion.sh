#!/usr/bin/env bash
# Prints a client assertion (RFC 7523) signed with a P-256 key:
#
#	assertion.sh <client_id> <issuer> <private key as PEM>
set -euo pipefail
client=$1 issuer=$2 key=$3

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

now=$(date +%s)
header='{"alg":"ES256","typ":"client-authentication+jwt"}'
claims=$(printf '{"iss":"%s","sub":"%s","aud":"%s","jti":"%s","iat":%d,"exp":%d}' \
	"$client" "$client" "$issuer" "$(openssl rand -hex 16)" "$now" "$((now + 60))")
input=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)

# A JWS has the two numbers of the signature side by side (RFC 7518 section 3.4);
# openssl puts them into ASN.1, without the zeros that they begin with.
numbers=$(printf %s "$input" | openssl dgst -sha256 -sign "$key" | openssl asn1parse -inform DER |
	sed -n 's/.*INTEGER *://p' | while read -r number; do printf '%64s' "$number" | tr ' ' 0; done)
printf '%s.%s\n' "$input" "$(printf %b "$(sed 's/../\\x&/g' <<<"$numbers")" | base64url)"
