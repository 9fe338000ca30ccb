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
# It is validated with the environment of the server. The server itself could have changed
# that, so it is read by its user, and never by root. That user gets nothing of root's: no
# terminal, no environment, and no open file.
server=$(systemctl show --property MainPID --value "$unit")
# shellcheck disable=SC2016 # the shell of the user expands it
if ! said=$(env -i PATH="$PATH" setsid --wait timeout 60 runuser -u tokenidp -- bash -c '
	while IFS= read -r -d "" variable; do export "$variable"; done
	/usr/bin/caddy-tokenidp tokenidp check --fail-on never --config "$0" &&
	/usr/bin/caddy-tokenidp validate --config "$0"' "$config" <"/proc/$server/environ" 2>&1); then
	printf '%s\n' "$said" | cat -v >&2
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
