#!/usr/bin/env bash
# Stands in for the cluster: prints a token of a service account, with the claims that
# Kubernetes has in one, signed with the key in made/cluster.pem.
#
#	token.sh <service account> <audience>
set -euo pipefail
account=$1 audience=$2
made=$(dirname "$0")/../made
kid=$(sed -n 's/.*"kid": "\(.*\)".*/\1/p' "$made/cluster.jwks.json")

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

now=$(date +%s)
header=$(printf '{"alg":"RS256","kid":"%s"}' "$kid")
claims=$(
	cat <<-CLAIMS | tr -d '\n\t'
		{"iss":"https://kubernetes.default.svc.cluster.local",
		"sub":"system:serviceaccount:shop:$account",
		"aud":["$audience"],
		"iat":$now,"nbf":$now,"exp":$((now + 600)),
		"jti":"7d2f3b0e-5c1a-4f0e-9a57-5d1d6f6b8f4e",
		"kubernetes.io":{"namespace":"shop",
		"node":{"name":"node-1","uid":"3f1c5b7e-0f6d-4a0a-8e0e-2b6d2c2a9b11"},
		"pod":{"name":"$account-6d4cf56db6-x2x4q","uid":"b2b8d0a4-77a9-4a6f-a1a7-64c1d0f1a0c7"},
		"serviceaccount":{"name":"$account","uid":"0c9f2f3c-0b5e-4f6a-9a2e-6a1a2b3c4d5e"}}}
	CLAIMS
)
input=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)
printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$made/cluster.pem" | base64url)"
