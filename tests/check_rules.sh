#!/usr/bin/env bash
# House rules that no compiler checks: who may include what, what may be called where,
# how long a file may be. Prints each breach; fails where there is one.
set -uo pipefail
shopt -s nullglob globstar

breaches=0
report() {
	echo "$1"
	breaches=$((breaches + 1))
}

# The folders of ours that each may include (docs/ARCHITECTURE.md).
declare -A may_include=(
	[base]="base"
	[hsm]="hsm base"
	[store]="store base"
	[ca-core]="ca-core hsm store base"
	[httpd]="httpd ca-core base"
	[tools]="tools httpd ca-core hsm store base"
)
# What httpd may see of ca-core: what is pure, and the messages. The rest is the signer's alone.
pure="csr name key profile config tbs lint statement challenge message oid role"

is_pure() {
	local header=${1#ca-core/}
	header=${header%.h}
	[[ " $pure " == *" $header "* || $header == message_* ]]
}

check_include() {
	local file=$1 header=$2
	local from=${file%%/*} to=${header%%/*}
	[ -n "${may_include[$to]+known}" ] || return
	if [[ " ${may_include[$from]} " != *" $to "* ]]; then
		report "$file includes $header: $from must not know $to"
	elif [ "$from" = httpd ] && [ "$to" = ca-core ] && ! is_pure "$header"; then
		report "$file includes $header, which is for the signer alone"
	elif [ "$from" != "$to" ] && [[ $header == */private.h || $header == *_private.h ]]; then
		report "$file includes $header, which is private to $to"
	fi
}

product=({base,hsm,store,ca-core,httpd,tools}/**/*.[ch])
while IFS=: read -r file line; do
	header=${line#*\"}
	check_include "$file" "${header%%\"*}"
done < <(grep -H '^#include "' "${product[@]}" /dev/null)

# forbid PATTERN WHY FILES...: extended regular expression, as a whole word at its start
forbid() {
	local pattern=$1 why=$2
	shift 2
	while IFS= read -r hit; do
		report "$hit: $why"
	done < <(grep -nHE "(^|[^A-Za-z0-9_])($pattern)" "$@" /dev/null | cut -c 1-160)
}
outside() {
	local file
	for file in "${product[@]}"; do
		# shellcheck disable=SC2053
		[[ $file == $1 ]] || echo "$file"
	done
}

mapfile -t not_store < <(outside 'store/*')
mapfile -t not_httpd < <(outside 'httpd/*')
mapfile -t not_module < <(outside 'hsm/module.c')
mapfile -t not_validate < <(outside 'httpd/validate/*')
forbid '#include <lmdb\.h>' "LMDB is known to store/ alone" "${not_store[@]}"
forbid '#include <microhttpd\.h>' "libmicrohttpd is known to httpd/ alone" "${not_httpd[@]}"
forbid '#include <(ares|unbound)\.h>' "names are looked up in httpd/validate/ alone" "${not_validate[@]}"
mapfile -t not_shares < <(outside 'tools/shares.c')
forbid '#include <libgfshare\.h>' "libgfshare is known to tools/shares.c alone" "${not_shares[@]}"
forbid 'C_(Initialize|Finalize) *\(' "only hsm/module.c begins and ends PKCS#11" "${not_module[@]}"

code=({base,hsm,store,ca-core,httpd,tools,tests}/**/*.[ch])
forbid '(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca) *\(' "this function has no bounds" "${code[@]}"
scripts=({tools,tests}/**/*.{sh,py} Makefile)
unfinished='TO''DO|FIX''ME|X''XX'
forbid "($unfinished)([^A-Za-z0-9_]|\$)" "unfinished work belongs in an issue" "${code[@]}" "${scripts[@]}"

for file in "${code[@]}" {tools,tests}/**/*.py; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 600 ] || report "$file has $lines lines: at most 600, one job a file"
done

[ "$breaches" = 0 ]
