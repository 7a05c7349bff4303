#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target for TIME, such as 3s. `go test -fuzz` would link
# a package's tests again for each of its targets, which takes longer than they run.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1
out=$PWD/bin/fuzz
mkdir -p "$out"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run runs a target of a test binary in its package's directory.
run() {
	(cd "$1" && "$2" -test.run '^$' -test.fuzz "^$3\$" -test.fuzztime "$time" -test.fuzzcachedir "$2.cache") > "$log" 2>&1
}

# cut tells that the last run ended, with nothing found, while an input was being made
# smaller: Go takes that for a failure.
cut() {
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"
}

for dir in $(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do
	binary=$out/${dir//\//-}.test
	go test -c -fuzz . -o "$binary" "./$dir"
	for target in $(git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- "$dir/*_test.go" ":!$dir/*/*" | sed 's/^func //'); do
		echo "fuzz $target in $dir"
		run "$dir" "$binary" "$target" || { cut && run "$dir" "$binary" "$target"; } || {
			cat "$log"
			exit 1
		}
	done
	rm -f "$binary"
done
