#!/usr/bin/env bash
# Runs the tests of the redis module with each Redis and Valkey that Debian has,
# and prints a table. Needs Debian and the right to read its package lists; no
# package is installed, they are unpacked into .cache/matrix.
#
#	internal/matrix/redis.sh                all of them
#	internal/matrix/redis.sh trixie/valkey  some
#
# It fails if a test fails, was skipped or did not run, and if a server is not to be
# had, unless ALLOW_MISSING=1 says that this may be. Its table is Markdown, for the
# README.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=$PWD/.cache/matrix
testenv=$PWD/.cache/testenv
run=${RUN-^TestConformance}
all=(bullseye/redis bookworm/redis trixie/redis sid/redis bookworm-backports/valkey trixie/valkey sid/valkey)
[ $# -gt 0 ] && all=("$@")

# The mirror is the one that this machine uses.
mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } |
	sed -n 's/^URIs:[[:space:]]*//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' | grep -m1 '/debian/*$')
arch=$(dpkg --print-architecture)

# unpack SUITE PACKAGE ROOT: the package and all that it needs, below ROOT.
unpack() {
	local state=$cache/apt-$1
	mkdir -p "$state"/{lists/partial,archives/partial,etc} "$3"
	for suite in "${1%-backports}" "$1"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
	done | sort -u >"$state/etc/sources.list"
	local apt=(apt-get -q -o "Dir::State=$state" -o "Dir::State::status=/dev/null" -o "Dir::Cache=$state"
		-o "Dir::Etc::sourcelist=$state/etc/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::preferencesparts=-
		-o APT::Architecture="$arch" -o APT::Install-Recommends=false -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
	"${apt[@]}" update && "${apt[@]}" -y --download-only install "$2" || return
	for deb in "$state"/archives/*.deb; do dpkg -x "$deb" "$3" || return; done
}

# bin SUITE KIND: prints a directory with the server as a program of this machine.
# It and unpack see to failures themselves: where they are called, errexit is off.
bin() {
	local root=$cache/$1-$2
	local program=$2-server
	if [ ! -x "$root/bin/$program" ]; then
		unpack "$1" "$program" "$root/root" >"$cache/$1-$2.log" 2>&1 || return
		mkdir -p "$root/bin"
		# With the libraries of its own suite: those of this machine may be older.
		local loader libraries
		loader=$(find "$root/root" -name 'ld-linux*.so.*' | sort | head -1)
		libraries=$(dirname "$(find "$root/root" -name 'libc.so.6' | head -1)"):$root/root/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
		local target=$root/root/usr/bin/$program
		[ -x "$loader" ] && [ -x "$target" ] || return
		printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$libraries" "$target" >"$root/bin/$program"
		chmod 755 "$root/bin/$program"
	fi
	echo "$root/bin"
}

mkdir -p "$cache"
row() { printf '| %-13s | %-25s | %-10s | %-10s | %-10s | %5s |\n' "$@"; }
row version packages standalone cluster sentinel time
row --- --- --- --- --- ---
bad=0
missing=()
for one in "${all[@]}"; do
	suite=${one%/*} kind=${one#*/}
	if ! dir=$(bin "$suite" "$kind"); then
		row "$kind" "$one" - - - -
		missing+=("$one, see $cache/$suite-$kind.log")
		continue
	fi
	version=$("$dir/$kind-server" --version | sed 's/.*[ =]v=\([^ ]*\).*/\1/')
	log=$cache/$suite-$kind-test.log
	began=$SECONDS
	# The variable names where redis-server, or valkey-server in its place, is.
	DISTLOCK_REDIS_BIN=$dir "$testenv" -need redis -- go test -count=1 -timeout 20m -v -run "$run" ./redis >"$log" 2>&1 || bad=1
	results=()
	for test in TestConformance TestConformanceCluster TestConformanceSentinel; do
		# A part that was skipped was not tested either.
		case $(grep -o -m1 "^--- [A-Z]*: $test " "$log" || true) in
		*PASS*) if grep -q "^ *--- SKIP: $test/" "$log"; then results+=(in\ part); else results+=(passes); fi ;;
		*FAIL*) results+=(FAILS) bad=1 ;;
		*SKIP*) results+=(SKIPPED) bad=1 ;;
		*) results+=("NOT RUN") bad=1 ;;
		esac
	done
	row "$kind $version" "$one" "${results[@]}" "$((SECONDS - began))s"
done
for one in "${missing[@]}"; do echo "not to be had: $one" >&2; done
[ ${#missing[@]} = 0 ] || [ "${ALLOW_MISSING-}" = 1 ] || bad=1
[ $bad = 0 ] || echo "the matrix is not complete, or has failures: the logs are in $cache" >&2
exit $bad
