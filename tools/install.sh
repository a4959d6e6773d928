#!/usr/bin/env bash
# make install: programs, the OpenSSL provider, manual pages, completion and units below $DESTDIR$PREFIX, and,
# where this is the machine itself and we are root, the users that the roles run as.
set -euo pipefail
shopt -s nullglob

at=$DESTDIR$PREFIX
install -d "$at/bin"
install -m 0755 "$BUILD"/bin/chanceryd "$BUILD"/bin/chancery "$at/bin/"
install -d "$at/lib/ossl-modules"
install -m 0644 "$BUILD/lib/ossl-modules/chancery.so" "$at/lib/ossl-modules/"

for page in docs/man/*.[158]; do
	section=$at/share/man/man${page##*.}
	install -d "$section"
	install -m 0644 "$page" "$section/"
done

for completion in tools/chancery.bash; do
	[ -e "$completion" ] || continue
	install -d "$at/share/bash-completion/completions"
	install -m 0644 "$completion" "$at/share/bash-completion/completions/chancery"
done

for unit in tools/systemd/*.service tools/systemd/*.socket; do
	install -d "$at/lib/systemd/system"
	sed "s,@bindir@,$PREFIX/bin,g" "$unit" > "$at/lib/systemd/system/${unit##*/}"
	chmod 0644 "$at/lib/systemd/system/${unit##*/}"
done

if [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ]; then
	tools/users.sh
fi
