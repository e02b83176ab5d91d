#!/usr/bin/env bash
# Runs the tests of the given modules as Windows programs under Wine:
#
#	internal/wine/test.sh core file distlock/cmd/distlock
#
# TESTFLAGS go to go test. Wine is no Windows: LockFileEx without waiting works as
# Windows documents it, waiting in overlapped mode does not, and names such as NUL
# or COM1 are ordinary here. The race detector needs cgo, so there is none.
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
# Only some of these exist, which ls tells by failing.
server=$(command -v wineserver || { ls "$(dirname "$wine")"/wineserver{,64} /usr/lib/wine/wineserver{,64} 2>/dev/null || true; } | head -1)
if [ -z "$server" ]; then
	echo "$wine has no wineserver beside it" >&2
	exit 1
fi

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

# To delete a file os.RemoveAll asks for more than Wine 8 knows, which answers that
# this is not implemented. Older versions of Windows say so by other numbers, for
# which Go has another way; here it is made to take that way for this number too.
std=$(go env GOROOT)/src/internal/syscall/windows/at_windows.go
sed 's/case STATUS_INVALID_INFO_CLASS,/case NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS,/' "$std" >"$cache/at_windows.go"
cmp -s "$std" "$cache/at_windows.go" && echo "at_windows.go of this Go is another one; see internal/wine/test.sh" >&2
printf '{"Replace": {"%s": "%s"}}' "$std" "$cache/at_windows.go" >"$cache/overlay.json"

# One program stays, so that Wine's services do. Those that a test's program had to
# start would keep its output open, and go test waiting for the end of it.
rm -f "$cache/input" && mkfifo "$cache/input" && exec 9<>"$cache/input"
"$wine" cmd <&9 >/dev/null 2>&1 &

"$wine" --version
status=0
for module in "$@"; do
	echo "== $module as a Windows program"
	# shellcheck disable=SC2086 # TESTFLAGS are several words.
	(cd "$root/$module" && CGO_ENABLED=0 GOOS=windows GOARCH=amd64 \
		go test -overlay "$cache/overlay.json" -exec "$wine" -timeout 15m ${TESTFLAGS:-} ./...) || status=1
done
exit $status
