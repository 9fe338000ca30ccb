#!/usr/bin/env bash
# Exchanges the token of a job in GitHub Actions for an access token, and prints that.
# $ISSUER, $CLIENT_ID and $SCOPE say where, who and for what; $CURL_OPTIONS is for
# trying it out. The runner sets the other two.
set -euo pipefail

# GitHub's token, for this issuer alone.
assertion=$(curl -sSf "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$ISSUER" \
	-H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" | sed -E 's/.*"value":"([^"]+)".*/\1/')

# From a file, since arguments are visible to whatever else runs in the job.
answer=$(printf %s "$assertion" | curl -sS ${CURL_OPTIONS:-} "$ISSUER/token" \
	-d grant_type=client_credentials --data-urlencode "client_id=$CLIENT_ID" --data-urlencode "scope=$SCOPE" \
	-d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer --data-urlencode client_assertion@-)

case $answer in
*'"access_token"'*) sed -E 's/.*"access_token":"([^"]+)".*/\1/' <<<"$answer" ;;
*) echo "$answer" >&2 && exit 1 ;;
esac
