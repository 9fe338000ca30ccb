#!/usr/bin/env bash
# Stands in for GitHub: prints the token of a job, with the claims that GitHub has in
# one, signed with the key in made/github.pem.
#
#	token.sh <branch> <audience>
set -euo pipefail
branch=$1 audience=$2
made=$(dirname "$0")/../made
kid=$(sed -n 's/.*"kid": "\(.*\)".*/\1/p' "$made/github.jwks.json")

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

now=$(date +%s)
header=$(printf '{"typ":"JWT","alg":"RS256","kid":"%s"}' "$kid")
claims=$(
	cat <<-CLAIMS | tr -d '\n\t'
		{"iss":"https://token.actions.githubusercontent.com",
		"sub":"repo:shop@11/orders@74:ref:refs/heads/$branch",
		"aud":"$audience",
		"iat":$now,"nbf":$((now - 300)),"exp":$((now + 300)),
		"jti":"e1d1d1a8-0d6e-4f0b-8f0e-6c7c1b0a9f5d",
		"ref":"refs/heads/$branch","ref_type":"branch","ref_protected":"true",
		"sha":"4f1c5b7e0f6d4a0a8e0e2b6d2c2a9b113f1c5b7e",
		"repository":"shop/orders","repository_id":"74","repository_visibility":"private",
		"repository_owner":"shop","repository_owner_id":"11",
		"actor":"mona","actor_id":"12","event_name":"push",
		"workflow":"deploy","run_id":"30433642","run_number":"10","run_attempt":"2",
		"job_workflow_ref":"shop/orders/.github/workflows/deploy.yaml@refs/heads/$branch",
		"runner_environment":"github-hosted"}
	CLAIMS
)
input=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)
printf '%s.%s' "$input" "$(printf %s "$input" | openssl dgst -sha256 -sign "$made/github.pem" | base64url)"
