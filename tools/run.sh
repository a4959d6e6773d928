#!/usr/bin/env bash
# make run: a certificate authority under STATE, in the foreground. The first time it is made,
# and issues its first two certificates through its public interface; later it goes on.
set -euo pipefail

state=${STATE:-./var}
port=${PORT:-8443}
http_port=${HTTP_PORT:-8080}
bin=${BUILD:-build}/bin
chancery=$bin/chancery
server=https://localhost:$port
public=http://localhost:$http_port
export CHANCERY_STATE=$state
umask 022

# The roles get users of their own where we may make them and they could reach the state.
reachable_by_all() {
	local folder=$1
	while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
	folder=$(cd "$folder" && pwd -P)
	while [ "$folder" != / ]; do
		[ $((0$(stat -c %a "$folder") & 1)) = 1 ] || return 1
		folder=$(dirname "$folder")
	done
}
if [ "$(id -u)" = 0 ] && reachable_by_all "$state" && [ ! -e "$state/chancery.conf" ]; then
	"$(dirname "$0")/users.sh"
fi

if [ -e "$state/chancery.conf" ] && ! grep -q ":$port\"" "$state/chancery.conf"; then
	echo "$state/chancery.conf does not listen on port $port: say PORT=..., or change its section listen." >&2
	exit 2
fi
"$chancery" init --state "$state" --port "$port" --http-port "$http_port" --url "$public"

# ---- the server, as a child that every way out of here stops ----

server_pid=
stop() {
	trap '' INT TERM
	local pid=$server_pid
	server_pid=
	if [ -n "$pid" ]; then
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid"
	fi
}
trap 'status=0; stop || status=$?; exit $status' INT TERM
trap 'status=$?; stop || true; exit $status' EXIT

"$bin/chanceryd" --config "$state/chancery.conf" &
server_pid=$!

wait_until_ready() {
	local deadline=$((SECONDS + 30))
	until curl --silent --fail --output /dev/null --max-time 5 --cacert "$state/trust/root.pem" "$server/readyz"; do
		if ! kill -0 "$server_pid" 2>/dev/null; then
			server_pid=
			echo "The server ended; its last lines above say why." >&2
			exit 3
		fi
		if [ $SECONDS -ge $deadline ]; then
			echo "The server is not ready after 30 seconds; $server/readyz says:" >&2
			curl --silent --max-time 5 --cacert "$state/trust/root.pem" "$server/readyz" >&2 || true
			exit 3
		fi
		sleep 0.1
	done
}
wait_until_ready

# ---- the first two certificates, and the proof that others would accept them ----

verify() {
	local name=$1 purpose=$2 folder=$state/first
	openssl verify -x509_strict -crl_check_all -purpose "$purpose" -CAfile "$state/trust/root.pem" \
		-untrusted "$folder/$name/chain.pem" -CRLfile "$folder/crls.pem" "$folder/$name/cert.pem"
}

fetch_lists() {
	local list
	: >"$state/first/crls.pem"
	for list in "$state"/published/crl/*.pem; do
		curl --silent --show-error --fail --max-time 10 "$public/crl/${list##*/}" >>"$state/first/crls.pem"
	done
}

if [ ! -e "$state/first/client/cert.pem" ]; then
	"$chancery" issue --profile server-dv --name localhost --name 127.0.0.1 --name ::1 --out "$state/first/server" --force
	"$chancery" issue --profile client --name first-client --out "$state/first/client" --p12 --force
	fetch_lists
	verify server sslserver
	verify client sslclient
fi

# ---- what to do next ----

arc=$(sed -n 's/^arc = "\(.*\)".*/\1/p' "$state/chancery.conf")
examples=
if [[ $arc == 2.999* ]]; then
	examples="(the arc for examples: ask for one of your own before others rely on it)"
fi

cat <<TEXT

Trust the root:     $state/trust/root.pem
                    Debian: install -m 644 $state/trust/root.pem /usr/local/share/ca-certificates/chancery.crt && update-ca-certificates
Issue:              $chancery issue --profile server-dv --name www.example.test --out www
Revoke:             $chancery cert revoke SERIAL --reason superseded      ($chancery cert list)
nginx:              ssl_certificate     $state/first/server/fullchain.pem;
                    ssl_certificate_key $state/first/server/key.pem;
Administrator:      $state/admin/cert.pem, $state/admin/key.pem (for browsers: $state/admin/admin.p12)
Configuration:      $state/chancery.conf
Identifiers:        below $arc $examples
Interface:          $server/api/v1/openapi.json
Revocation lists:   $public/crl/issuing-1.crl

trust root $state/trust/root.pem
ready $server
TEXT

status=0
wait "$server_pid" || status=$?
server_pid=
exit "$status"
