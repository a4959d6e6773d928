#!/usr/bin/env bash
# Makes the system users that the roles run as, where they are not there. As root alone.
set -euo pipefail

for user in chancery-signer chancery-front chancery-validator; do
	getent group "$user" >/dev/null || groupadd --system "$user"
	getent passwd "$user" >/dev/null ||
		useradd --system --gid "$user" --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "$user"
done
