#!/usr/bin/env bash
# Runs tests as programs of other processors, which qemu emulates process by
# process: words of 32 bits (386, which an amd64 kernel runs by itself), another
# order of bytes (s390x), another order of memory accesses (arm64).
#
#	internal/qemu/test.sh "arm64 386 s390x" ./core/... ./file/...
#
# TESTFLAGS go to go test. The kernel is told to run foreign programs by qemu
# (binfmt_misc), and not by go test -exec, because tests start processes of their
# own; for that one has to be root, unless it has been told. The race detector needs
# cgo, so there is none. Tests that truncate a file under its mapping are skipped on
# arm64 and s390x: qemu 7.2 does not tell where a fault was.
set -euo pipefail
cd "$(dirname "$0")/../.."

# What qemu calls the processors that Go calls otherwise.
declare -A names=([arm64]=aarch64 [s390x]=s390x)
binfmt=/proc/sys/fs/binfmt_misc

forget=()
trap 'for name in "${forget[@]}"; do echo -1 >"$binfmt/$name"; done' EXIT

prepare() {
	local name=qemu-$1
	[ -e "$binfmt/$name" ] && return
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "the kernel does not know $name: install qemu-user-static and binfmt-support first" >&2
		exit 1
	fi
	if ! command -v "$name-static" >/dev/null; then
		echo "installing qemu"
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-user-static
	fi
	[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
	if [ ! -e "$binfmt/$name" ]; then
		cat "/usr/lib/binfmt.d/$name.conf" >"$binfmt/register"
		forget+=("$name")
	fi
}

status=0
for arch in $1; do
	[ -z "${names[$arch]:-}" ] || prepare "${names[$arch]}"
	echo "== ${*:2} on $arch"
	# shellcheck disable=SC2086 # TESTFLAGS are several words.
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch DISTLOCK_TEST_QEMU=1 go test -timeout 30m ${TESTFLAGS:-} "${@:2}" || status=1
done
exit $status
