#!/bin/sh
# Runs after the files are unpacked. $1 is "configure" on Debian; with rpm, it is the
# number of versions that are installed.
set -e

unit=caddy-tokenidp.service
config=/etc/tokenidp/Caddyfile

case "$1" in
abort-*) exit 0 ;;
esac
if [ ! -d /run/systemd/system ]; then
	exit 0 # a container, or the image of a machine
fi
systemctl daemon-reload

# A new installation is neither enabled nor started: the issuer has a domain that is not
# yours, and would make keys and ask for certificates in that name.
if ! systemctl --quiet is-active "$unit"; then
	if ! systemctl --quiet is-enabled "$unit" 2>/dev/null; then
		echo "caddy-tokenidp: write your domain into $config, then: systemctl enable --now caddy-tokenidp"
	fi
	exit 0
fi

# An upgrade restarts a server that runs, unless the new version refuses its configuration.
# It is checked with the environment of the server. The server itself could have changed
# that, so it is read by its user, and never by root; setsid keeps it from the terminal.
server=$(systemctl show --property MainPID --value "$unit")
# shellcheck disable=SC2016 # the shell of the user expands it
if ! setsid --wait runuser -u tokenidp -- bash -c '
	while IFS= read -r -d "" variable; do export "$variable"; done
	exec /usr/bin/caddy-tokenidp tokenidp check --config "$0"' "$config" <"/proc/$server/environ"; then
	echo "caddy-tokenidp: the new version refuses $config. The old version still runs." >&2
	echo "Correct the file, then: systemctl restart caddy-tokenidp" >&2
	if command -v dpkg >/dev/null; then
		echo "and: dpkg --configure caddy-tokenidp" >&2
	fi
	exit 1
fi
if command -v deb-systemd-invoke >/dev/null; then
	deb-systemd-invoke restart "$unit" # it respects policy-rc.d
else
	systemctl restart "$unit"
fi
