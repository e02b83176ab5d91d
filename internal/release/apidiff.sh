#!/usr/bin/env bash
# Compares the exported API of modules with that of their last release.
#
#	apidiff.sh TOOL MODULE...
#
# The old sources come from the tags in this clone, and their siblings from the
# same tags, so nothing needs to be published. Changes that break users end it with
# code 1, unless the last release was a v0: there they are told and allowed.
set -euo pipefail

tool=$1
shift
tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/old" 2>/dev/null || true; rm -rf "$tmp"' EXIT

# api DIRECTORY PATH FILE writes what a module exports, less what the tool says of
# internal packages.
api() {
	(cd "$1" && "$tool" -m -w "$3" "$2" 2> >(grep -v '^Ignoring internal package' >&2))
}

bad=0
for module in "$@"; do
	tag=$(git tag --list "$module/v*" --sort=-v:refname | head -n 1)
	if [ -z "$tag" ]; then
		echo "apidiff $module: no release is tagged in this clone (git fetch --tags gets them), so there is nothing to compare with"
		continue
	fi
	git worktree add --quiet --force --detach "$tmp/old" "$tag"
	path=$(sed -n 's/^module //p' "$module/go.mod")
	api "$tmp/old/$module" "$path" "$tmp/old.api"
	api "$module" "$path" "$tmp/new.api"
	git worktree remove --force "$tmp/old"
	changes=$("$tool" -m -incompatible "$tmp/old.api" "$tmp/new.api")
	if [ -z "$changes" ]; then
		echo "apidiff $module: compatible with $tag"
		continue
	fi
	echo "apidiff $module: incompatible with $tag:"
	echo "$changes"
	case $tag in
	*/v0.*) ;;
	*) bad=1 ;;
	esac
done
exit $bad
