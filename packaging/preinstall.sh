#!/bin/sh
# Runs before the files are unpacked, so that they get their owner at once: nothing is
# open to others for a moment, and no chown has to follow.
set -e

if ! getent group tokenidp >/dev/null; then
	groupadd --system tokenidp
fi
if ! getent passwd tokenidp >/dev/null; then
	useradd --system --gid tokenidp --home-dir /var/lib/tokenidp --no-create-home \
		--shell /usr/sbin/nologin --comment "Caddy with TokenIDP" tokenidp
fi
