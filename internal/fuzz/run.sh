#!/usr/bin/env bash
# Runs the fuzz targets of all modules, one after the other, and prints what each
# has done as a table:
#
#	internal/fuzz/run.sh 10s                  each for a time
#	internal/fuzz/run.sh 1000000x             each for a number of executions
#	internal/fuzz/run.sh 1m 'Keys|Names'      those whose names match
#	internal/fuzz/run.sh 1m '' Scripts        those whose names do not match
#
# One that finds something does not keep the others from being run; its input is
# in the package's testdata/fuzz, where go test tries it from then on. One that was
# skipped, or executed less often than was asked for, has failed too, and so has a
# run of no target.
set -euo pipefail
cd "$(dirname "$0")/../.."

time=$1 only=${2:-.} but=${3:-^$} # no name is empty
asked=1
[[ $time =~ ^([0-9]+)x$ ]] && asked=${BASH_REMATCH[1]}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
table=()
while IFS=: read -r file line; do
	target=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' <<<"$line")
	grep -qE "$only" <<<"$target" && ! grep -qE "$but" <<<"$target" || continue
	package=./$(dirname "$file")
	echo "fuzz $package $target"
	result=clean
	# A bound on minimising, which by default may take longer than the search.
	if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x -timeout 0 "$package" 2>&1 | tee "$log"; then
		result=FOUND status=1
	fi
	# fuzz: elapsed: 10s, execs: 325017 (36118/sec), new interesting: 11 (total: 202)
	IFS='|' read -r took execs total < <(sed -n 's/^fuzz: elapsed: \([^,]*\), execs: \([0-9]*\).*total: \([0-9]*\).*/\1|\2|\3/p' "$log" | tail -1) || true
	if [ $result = clean ] && [ "${execs:-0}" -lt "$asked" ]; then
		result="TOO FEW" status=1
	fi
	table+=("| \`${package#./}\` $target | ${execs:-0} | ${took:--} | ${total:--} | $result |")
done < <(git grep '^func Fuzz' -- '*_test.go' | sort)
if [ ${#table[@]} = 0 ]; then
	echo "no fuzz target matches ${only@Q}" >&2
	exit 1
fi

printf '\n| target | executions | time | inputs that reach something new | result |\n|---|---|---|---|---|\n'
printf '%s\n' "${table[@]}"
exit $status
