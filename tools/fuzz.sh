#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target for TIME, such as 3s. `go test -fuzz` would link
# a package's tests again for each of its targets, which takes longer than they run, and
# compile all that they import, the standard library too, to be guided by it: here
# godwit's own packages guide.
set -euo pipefail
cd "$(dirname "$0")/.."
time=$1
out=$PWD/bin/fuzz
mkdir -p "$out"
log=$(mktemp)
trap 'rm -f "$log"; kill $(jobs -p) 2> /dev/null || true' EXIT # what is being built, too

binary() { echo "$out/${1//\//-}.test"; }

guided="-gcflags=$(go list -m)/...=-d=libfuzzer"

build() { go test -c "$guided" -o "$(binary "$1")" "./$1"; }

# run runs a target of a package's test binary in its directory.
run() {
	local binary
	binary=$(binary "$1")
	(cd "$1" && "$binary" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzcachedir "$binary.cache") > "$log" 2>&1
}

# cut tells that the last run ended, with nothing found, while an input was being made
# smaller: Go takes that for a failure.
cut() {
	grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"
}

# fuzz runs all targets of a package.
fuzz() {
	local dir=$1 target try
	for target in $(git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- "$dir/*_test.go" ":!$dir/*/*" | sed 's/^func //'); do
		echo "fuzz $target in $dir"
		for try in 1 2 3; do
			run "$dir" "$target" && break
			((try < 3)) && cut || {
				cat "$log"
				exit 1
			}
		done
	done
	rm -f "$(binary "$dir")"
}

mapfile -t dirs < <(git grep -lE '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u)
build "${dirs[0]}"
for i in "${!dirs[@]}"; do
	next=
	if ((i + 1 < ${#dirs[@]})); then
		build "${dirs[i + 1]}" & # while this one's run
		next=$!
	fi
	fuzz "${dirs[i]}"
	[[ -z $next ]] || wait "$next"
done
