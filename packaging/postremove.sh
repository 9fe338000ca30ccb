#!/bin/sh
# Runs after the files are removed. $1 is "remove" or "purge" on Debian; with rpm, it is the
# number of versions that are left.
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi

# Signing keys cannot be made again: without them every token is refused. So a purge removes
# the configuration and the logs, and leaves the keys and their user.
if [ "$1" = purge ]; then
	rm -rf /var/log/tokenidp
	if [ -d /var/lib/tokenidp ]; then
		echo "caddy-tokenidp: /var/lib/tokenidp is left. Whoever has the signing keys in it can make tokens." >&2
		echo "To remove it: rm -r /var/lib/tokenidp && userdel tokenidp" >&2
	fi
fi
