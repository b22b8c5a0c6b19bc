#!/bin/sh
# version.sh: prints the version of the packages, without a release's suffix.
#
# It begins with the one that the programs state (softwareVersion in Sources/Station/Station.swift). A commit with the tag
# vX.Y.Z is X.Y.Z and must state that. A later commit is X.Y.Z+N.gCOMMIT, N commits after the tag; one before the tag of
# its version is X.Y.Z~N.gCOMMIT, the Nth commit at all. So dpkg sorts them as they were made. ".changed" at the end:
# files differ from the commit. ONSET_VERSION overrules all of this, and is needed outside a git repository.
set -eu
cd "$(dirname "$0")/../.."
if [ -n "${ONSET_VERSION:-}" ]; then echo "$ONSET_VERSION"; exit 0; fi
stated=$(sed -n 's/^public let softwareVersion.* = "\(.*\)"$/\1/p' Sources/Station/Station.swift)
[ -n "$stated" ] || { echo "Sources/Station/Station.swift states no softwareVersion" >&2; exit 1; }
commit=$(git rev-parse --short=10 HEAD)
changed=
[ -z "$(git status --porcelain --untracked-files=no)" ] || changed=.changed
if tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2> /dev/null); then
  [ "$tag" = "v$stated" ] || { echo "the commit is tagged $tag and the programs state $stated" >&2; exit 1; }
  echo "$stated${changed:++0.g$commit$changed}"
elif [ "$(git describe --tags --abbrev=0 --match "v$stated" 2> /dev/null)" = "v$stated" ]; then
  echo "$stated+$(git rev-list --count "v$stated..HEAD").g$commit$changed"
else
  echo "$stated~$(git rev-list --count HEAD).g$commit$changed"
fi
