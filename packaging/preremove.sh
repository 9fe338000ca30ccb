#!/bin/sh
# Runs before the files are removed. $1 is "remove" on Debian, and 0 with rpm; an upgrade
# stops nothing.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	if command -v deb-systemd-invoke >/dev/null; then
		deb-systemd-invoke stop caddy-tokenidp.service
	else
		systemctl stop caddy-tokenidp.service
	fi
fi
if command -v systemctl >/dev/null; then
	systemctl --quiet disable caddy-tokenidp.service
fi
