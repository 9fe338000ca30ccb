#!/usr/bin/env bash
# Reviews a change of the configuration, without its secrets and without the network:
#
#	bash ci/review.sh <revision to compare with>
#
# It writes comment.md, check.sarif and tests.xml into $RESULTS. The exit code is 0; or 1
# for findings, for failed tests, and for differences if $FAIL_ON says so; or 2 if
# something could not be answered.
set -uo pipefail

base=${1:?name the revision to compare with, as in: review.sh origin/main}
caddy=${CADDY:-caddy}       # built with TokenIDP
config=${CONFIG:-Caddyfile} # as a path from here
results=${RESULTS:-results} # a folder
fail_on=${FAIL_ON:-}        # gain, loss or any; nothing: differences are only shown

mkdir -p "$results" || exit 2
results=$(cd "$results" && pwd)
comment=$results/comment.md
worst=0

# ask runs a command of caddy tokenidp. What it prints goes into a file.
ask() {
	local output=$1 code=0
	shift
	"$caddy" tokenidp "$@" >"$output" 2>"$results/log" || code=$?
	if [ "$code" -gt "$worst" ]; then worst=$code; fi
	if [ "$code" -ge 2 ]; then cat "$results/log" >>"$output"; fi
	return "$code"
}

# show adds what a command has printed to the comment. Indented, it is text and no more.
show() {
	printf '\n#### %s\n\n' "$1" >>"$comment"
	head -n 20 "$2" | cut -c 1-200 | sed 's/^/    /' >>"$comment"
}

printf '<!-- tokenidp -->\n' >"$comment" # by which the comment is found again

if ! commit=$(git rev-parse --verify --quiet --end-of-options "$base^{commit}"); then
	echo "$base is not a revision" >&2
	exit 2
fi
if git cat-file -e "$commit:./$config" 2>/dev/null; then
	if ask "$results/diff.md" diff "git:$commit:$config" "$config" --markdown ${fail_on:+--fail-on "$fail_on"} || [ $? -eq 1 ]; then
		cat "$results/diff.md" >>"$comment"
	else
		show 'The configurations cannot be compared' "$results/diff.md"
	fi
else
	printf '### Who can reach what\n\nThere was no configuration before.\n' >>"$comment"
fi
ask "$results/check.txt" check --config "$config" --sarif "$results/check.sarif" || show 'Findings' "$results/check.txt"
# A test that fails is a finding, too.
ask "$results/tests.txt" test --config "$config" --junit "$results/tests.xml" || [ $? -eq 1 ] || show 'No test was run' "$results/tests.txt"

cat "$comment"
exit "$worst"
