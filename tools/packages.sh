#!/usr/bin/env bash
# Installs those of the named Debian packages that are not there. Where all are,
# nothing happens, and no network is needed.
set -euo pipefail

missing=()
for package in "$@"; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "These packages are missing, and there is no apt-get to install them: ${missing[*]}" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "These packages are missing; install them as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

# The tests start servers of their own, on ports of their own. What comes with a
# package must neither start (a taken port 80 would fail the installation) nor stay.
services=()
for package in "${missing[@]}"; do
	case $package in
	nginx-light) services+=(nginx.service) ;;
	haproxy) services+=(haproxy.service) ;;
	knot) services+=(knot.service) ;;
	esac
done
masked=no
unmask() {
	if [ $masked = yes ]; then
		"${as_root[@]}" systemctl unmask --runtime --quiet "${services[@]}" || true
	fi
}
trap unmask EXIT
if [ ${#services[@]} -gt 0 ] && [ -d /run/systemd/system ]; then
	"${as_root[@]}" systemctl mask --runtime --quiet "${services[@]}"
	masked=yes
fi

echo "Installing: ${missing[*]}"
quiet=(env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq)
"${as_root[@]}" "${quiet[@]}" update </dev/null
"${as_root[@]}" "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
