#!/usr/bin/env bash
# Runs the tests of the given modules as Windows programs under Wine:
#
#	internal/wine/test.sh core file distlock/cmd/distlock
#
# TESTFLAGS go to go test. Wine is no Windows: LockFileEx without waiting works as
# Windows documents it, waiting in overlapped mode does not, and names such as NUL
# or COM1 are ordinary here. Wine 8 cannot delete what Go's os.RemoveAll wants
# deleted, so clean-up errors of t.TempDir are Wine's. The race detector needs
# cgo, so there is none.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=$root/.cache/wine

wine=$(command -v wine || command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null || true)
gcc=$(command -v x86_64-w64-mingw32-gcc || true)
if [ -z "$wine" ] || [ -z "$gcc" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "Wine or MinGW is missing: apt-get install wine64 gcc-mingw-w64-x86-64-win32" >&2
		exit 1
	fi
	echo "installing Wine and MinGW"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends wine64 gcc-mingw-w64-x86-64-win32
	wine=$(command -v wine || command -v wine64 || echo /usr/lib/wine/wine64)
	gcc=x86_64-w64-mingw32-gcc
fi
server=$(command -v wineserver || ls "$(dirname "$wine")"/wineserver{,64} /usr/lib/wine/wineserver{,64} 2>/dev/null | head -1)

export WINEPREFIX=$cache/prefix WINEARCH=win64 WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree,mshtml=' # No offers to install Mono or Gecko.
export WINESERVER=$server
unset DISPLAY

mkdir -p "$cache"
# -k ends the processes of this prefix only.
trap '"$server" -k || true' EXIT
if [ ! -d "$WINEPREFIX/drive_c/windows/system32" ]; then
	echo "setting up a Wine prefix"
	"$wine" wineboot -i >/dev/null 2>&1
	"$server" -w
fi
system32=$WINEPREFIX/drive_c/windows/system32
if [ ! -e "$system32/bcryptprimitives.dll" ]; then
	echo "building bcryptprimitives.dll"
	"$gcc" -shared -O2 -Wall -Werror -o "$system32/bcryptprimitives.dll" "$root/internal/wine/processprng.c" -ladvapi32
fi

"$wine" --version
status=0
for module in "$@"; do
	echo "== $module as a Windows program"
	# shellcheck disable=SC2086 # TESTFLAGS are several words.
	(cd "$root/$module" && CGO_ENABLED=0 GOOS=windows GOARCH=amd64 \
		go test -exec "$wine" -timeout 15m ${TESTFLAGS:-} ./...) || status=1
done
exit $status
