#!/usr/bin/env bash
# All tests of a finished build, stage by stage; the closing line sums them up.
# Fails where any test failed, and where any stage ran no test at all.
set -uo pipefail
shopt -s nullglob

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
JOBS=${JOBS:-$(nproc)}
passed=0
failed=0
work=$(mktemp -d)
failures=$work/failures
: >"$failures"
trap 'rm -rf "$work"' EXIT

# Counts the lines "ok ..." and "FAIL ..." of what a stage printed; one that failed without
# saying which test is one failure more. What failed is told again at the very end, where it
# is found without a search.
count() {
	local name=$1 out=$2 status=$3 ok bad
	ok=$(grep -c '^ok ' "$out")
	bad=$(grep -c '^FAIL ' "$out")
	if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
		echo "FAIL $name ended with status $status: $(grep -m 3 -E '(error|warning):' "$out" | tr '\n' ' ')" | tee -a "$out"
		bad=1
	elif [ "$ok" = 0 ] && [ "$bad" = 0 ]; then
		echo "FAIL $name ran no test" | tee -a "$out"
		bad=1
	fi
	grep '^FAIL ' "$out" | cut -c 1-500 | sed "s|^|$name: |" >>"$failures"
	passed=$((passed + ok))
	failed=$((failed + bad))
}

# Stages that do not need each other run side by side, as many as there are processors; what
# each printed is shown whole, in the order of their start.
names=()
together() {
	local name=$1 at=$work/${#names[@]}
	shift
	names+=("$name")
	while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
		wait -n
	done
	(
		timeout --kill-after=10 600 "$@" </dev/null >"$at" 2>&1
		echo $? >"$at.status"
	) &
}

settle() {
	local i
	wait
	for i in "${!names[@]}"; do
		echo "== ${names[i]}"
		cat "$work/$i"
		count "${names[i]}" "$work/$i" "$(cat "$work/$i.status")"
	done
}

# A stage that has nothing to run is a failure, not silence.
each() {
	local name=$1
	shift
	if [ $# = 0 ]; then
		: >"$work/none"
		count "$name" "$work/none" 0
	fi
}

# The longest first, and in parts.
for build in "$BUILD/san" "$BUILD"; do
	units=("$build"/tests/unit-*)
	each "unit tests of $build" "${units[@]}"
	for part in 0 1 2 3; do
		together "$build/tests/unit-ca-core, part $((part + 1)) of 4" "$build/tests/unit-ca-core" "$part/4"
	done
	for unit in "${units[@]}"; do
		[ "$unit" = "$build/tests/unit-ca-core" ] || together "$unit" "$unit"
	done
	replays=("$build"/tests/replay-*)
	each "fuzz seeds of $build" "${replays[@]}"
	for replay in "${replays[@]}"; do
		name=${replay##*/replay-}
		together "$replay" "$replay" "$name" "tests/data/fuzz/$name"
	done
done
settle

# The checks take what the end-to-end tests leave of the processors while they wait.
checks() {
	local status=0 check
	for check in format rules cppcheck tidy; do
		nice -n 19 "$MAKE" --no-print-directory "check-$check" BUILD="$BUILD" </dev/null || status=1
	done
	return "$status"
}
checks >"$work/checks" 2>&1 &
checking=$!

echo "== end to end, after $SECONDS s"
timeout --kill-after=10 900 python3 tests/e2e/run.py --build "$BUILD" --san-build "$BUILD/san" </dev/null 2>&1 | tee "$work/e2e"
status=${PIPESTATUS[0]}
if [[ $(tail -n 1 "$work/e2e") =~ ^e2e:\ [0-9]+\ passed,\ [0-9]+\ failed$ ]]; then
	count "end to end" "$work/e2e" "$status"
else
	echo "FAIL the end-to-end tests did not say how many passed" | tee -a "$work/e2e"
	count "end to end" "$work/e2e" 1
fi

echo "== checks, after $SECONDS s"
wait "$checking"
status=$?
cat "$work/checks"
count "checks" "$work/checks" "$status"

echo "== after $SECONDS s"
cat "$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
