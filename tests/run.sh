#!/usr/bin/env bash
# All tests of a finished build, stage by stage; the closing line sums them up.
# Fails where any test failed, and where any stage ran no test at all.
set -uo pipefail
shopt -s nullglob

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
passed=0
failed=0
out=$(mktemp)
failures=$(mktemp)
trap 'rm -f "$out" "$failures"' EXIT

# What failed is told again at the very end, where it is found without a search.
failed_in() {
	grep '^FAIL ' "$out" | cut -c 1-500 | sed "s|^|$1: |" >>"$failures"
}

# Counts the lines "ok ..." and "FAIL ..." of what a program printed; one that failed
# without saying which test is one failure more.
count() {
	local name=$1 status=$2 ok bad
	ok=$(grep -c '^ok ' "$out")
	bad=$(grep -c '^FAIL ' "$out")
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		echo "FAIL $name ended with status $status: $(grep -m 3 -E '(error|warning):' "$out" | tr '\n' ' ')" | tee -a "$out"
		bad=1
	elif [ "$ok" = 0 ] && [ "$bad" = 0 ]; then
		echo "FAIL $name ran no test" | tee -a "$out"
		bad=1
	fi
	failed_in "$name"
	passed=$((passed + ok))
	failed=$((failed + bad))
}

stage() {
	local name=$1
	shift
	echo "== $name, after $SECONDS s"
	timeout --kill-after=10 "${STAGE_SECONDS:-600}" "$@" </dev/null 2>&1 | tee "$out"
	count "$name" "${PIPESTATUS[0]}"
}

# A stage that has nothing to run is a failure, not silence.
each() {
	local name=$1
	shift
	if [ $# = 0 ]; then
		: >"$out"
		count "$name" 0
	fi
}

for build in "$BUILD" "$BUILD/san"; do
	units=("$build"/tests/unit-*)
	each "unit tests of $build" "${units[@]}"
	for unit in "${units[@]}"; do
		[ -x "$unit" ] && stage "$unit" "$unit"
	done
	replays=("$build"/tests/replay-*)
	each "fuzz seeds of $build" "${replays[@]}"
	for replay in "${replays[@]}"; do
		name=${replay##*/replay-}
		stage "$replay" "$replay" "$name" "tests/data/fuzz/$name"
	done
done

echo "== end to end, after $SECONDS s"
began=$SECONDS
timeout --kill-after=10 900 python3 tests/e2e/run.py --build "$BUILD" --san-build "$BUILD/san" </dev/null 2>&1 | tee "$out"
status=${PIPESTATUS[0]}
if [[ $(tail -n 1 "$out") =~ ^e2e:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] && [ "${BASH_REMATCH[1]}" != 0 ]; then
	passed=$((passed + BASH_REMATCH[1]))
	failed=$((failed + BASH_REMATCH[2]))
	if [ "$status" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ]; then
		echo "FAIL end to end ended with status $status" | tee -a "$out"
		failed=$((failed + 1))
	fi
else
	echo "FAIL end to end did not say how many tests passed (status $status)" | tee -a "$out"
	failed=$((failed + 1))
fi
failed_in "end to end"
echo "== end to end took $((SECONDS - began)) s"

for check in format rules cppcheck tidy; do
	stage "check $check" $MAKE --no-print-directory "check-$check" BUILD="$BUILD"
done

cat "$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
