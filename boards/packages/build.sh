#!/usr/bin/env bash
# build.sh RELEASE ARCH OUT CACHE: makes the packages for Debian RELEASE (12, 13) and ARCH, in OUT, and asks lintian.
#
# For this machine's processor there are all three. They are compiled on this machine where it is of that release, and
# else in a root of that release in CACHE, which needs root. For arm64 on an amd64 machine there is onset-station alone:
# the firmware is Embedded Swift, of which the toolchain has AArch64's library; ordinary Swift has none for it.
#
# The same commit gives the same packages, byte for byte: files are sorted, of root, and as old as the commit.
# ONSET_VERSION and SOURCE_DATE_EPOCH overrule what git says, ONSET_MAINTAINER who answers for them.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=$1 arch=$2
mkdir -p "$3" "$4"
out=$(realpath "$3") cache=$(realpath "$4") sources=$PWD here=$PWD/boards/packages
native=$(dpkg --print-architecture)
# ~deb12 is older than ~deb13, and both are older than the next version.
version=$("$here/version.sh")~deb$release
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
maintainer=${ONSET_MAINTAINER:-"Onset maintainers <maintainers@onset.invalid>"}
build=$sources/.build/packages-build/$release-$arch
programs=$build/out
umask 022

compile() {
  local toolchain root=$cache/build-$release
  if [ "$(. /etc/os-release; echo "$ID$VERSION_ID")" = "debian$release" ]; then
    "$here/compile.sh" "$build" "$programs"
    return
  fi
  # What the toolchain wants to run, what the programs want to link with.
  "$here/root.sh" "$release" "$root" gcc g++ libc6-dev binutils dpkg-dev libcurl4 libxml2 libncurses6 libsqlite3-0 \
    libasound2-dev libgpiod-dev libsodium-dev libmseed-dev libsqlite3-dev libmicrohttpd-dev libcurl4-openssl-dev \
    libpq-dev libmosquitto-dev
  toolchain=$(realpath "$(dirname "$(realpath "$(command -v swift)")")/../..")
  mkdir -p "$root/onset" "$root$toolchain"
  # The mounts are this shell's own and end with it.
  unshare --mount bash -euc '
    root=$1 toolchain=$2 sources=$3
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind "$toolchain" "$root$toolchain"
    mount --bind "$sources" "$root/onset"
    shift 3
    exec chroot "$root" env HOME=/root PATH="$toolchain/usr/bin:/usr/bin:/usr/sbin" LC_ALL=C.UTF-8 "$@"' \
    - "$root" "$toolchain" "$sources" \
    /onset/boards/packages/compile.sh "/onset/${build#"$sources/"}" "/onset/${programs#"$sources/"}"
}

cross_compile() {
  local root=$cache/aarch64-$release/root work
  RELEASE=$release Tests/System/aarch64.sh "$cache/aarch64-$release" "$build"
  mkdir -p "$programs"
  aarch64-linux-gnu-strip --remove-section=.comment -o "$programs/onsetd" "$build/onsetd"
  work=$(mktemp -d)
  mkdir "$work/debian"
  printf 'Source: onset\n\nPackage: onset\nArchitecture: any\n' > "$work/debian/control"
  (cd "$work"; DEB_HOST_ARCH=arm64 dpkg-shlibdeps --warnings=0 --admindir="$root/var/lib/dpkg" \
    -l"$root/usr/lib/aarch64-linux-gnu" -O "$programs/onsetd" 2> errors > depends || { cat errors >&2; exit 1; })
  sed -n 's/^shlibs:Depends=//p' "$work/depends" > "$programs/onsetd.depends"
  rm -r "$work"
}

# put MODE FILE PLACE: into the package that is being made.
put() { install -D -m "$1" "$2" "$tree/$3"; }
compressed() { mkdir -p "$tree/$(dirname "$1")"; gzip -9n > "$tree/$1"; }

# What every package has.
common() {
  put 644 "$here/copyright" "usr/share/doc/$1/copyright"
  {
    printf '%s (%s) stable; urgency=medium\n\n  * %s\n\n' "$1" "$version" \
      "CHANGELOG.md.gz beside this file tells what has changed."
    printf ' -- %s  %s\n' "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")"
  } | compressed "usr/share/doc/$1/changelog.gz"
  compressed "usr/share/doc/$1/CHANGELOG.md.gz" < CHANGELOG.md
  if [ -e "$here/$2/lintian-overrides" ]; then
    put 644 "$here/$2/lintian-overrides" "usr/share/lintian/overrides/$1"
  fi
}

station() {
  local board file
  put 755 "$programs/onsetd" usr/bin/onsetd
  for file in calibration/models/*.onet; do put 644 "$file" "usr/share/onset/models/${file##*/}"; done
  for file in calibration/instruments/*.toml calibration/relations/*.toml; do put 644 "$file" "etc/onset/${file#*/}"; done
  # A station file may name either.
  ln -s /etc/onset/instruments /etc/onset/relations "$tree/usr/share/onset"
  for board in boards/*/board.toml; do
    for file in "$board" "${board%board.toml}README.md"; do
      put 644 "$file" "usr/share/onset/$file"
    done
  done
  # With the places that the package has, for /etc/onset.
  sed -e 's|"\.\./\.\./calibration/models/|"/usr/share/onset/models/|' -e 's|"\.\./\.\./calibration/|"|' \
    -e 's|calibration/relations/|relations/|' -e 's|^directory = .*|directory = "/var/lib/onset"|' \
    boards/host/station.toml > "$build/station.toml"
  put 644 "$build/station.toml" usr/share/doc/onset-station/examples/station.toml
  put 644 "$here/station/network.conf" usr/share/doc/onset-station/examples/network.conf
  put 644 "$here/station/onsetd.service" usr/lib/systemd/system/onsetd.service
  put 644 "$here/station/sysusers.conf" usr/lib/sysusers.d/onset-station.conf
  put 644 "$here/station/tmpfiles.conf" usr/lib/tmpfiles.d/onset-station.conf
  put 644 "$here/station/udev.rules" usr/lib/udev/rules.d/45-onset-station.rules
  compressed usr/share/man/man8/onsetd.8.gz < "$here/station/onsetd.8"
}

tools() {
  # Beside the program lies the sound card that `onset demo` plays on.
  put 755 "$programs/onset" usr/lib/onset/onset
  put 644 "$programs/libasound_module_pcm_onset.so" usr/lib/onset/libasound_module_pcm_onset.so
  mkdir -p "$tree/usr/bin"
  ln -s ../lib/onset/onset "$tree/usr/bin/onset"
  put 644 "$programs/onset.bash" usr/share/bash-completion/completions/onset
  compressed usr/share/man/man1/onset.1.gz < "$programs/onset.1"
}

collector() {
  local folder=Sources/onset-collector
  put 755 "$programs/onset-collector" usr/bin/onset-collector
  put 644 $folder/onset-collector.service usr/lib/systemd/system/onset-collector.service
  put 644 "$here/collector/sysusers.conf" usr/lib/sysusers.d/onset-collector.conf
  put 644 $folder/collector.toml etc/onset/collector.toml
  put 644 $folder/prometheus-alerts.yml usr/share/doc/onset-collector/examples/prometheus-alerts.yml
  compressed usr/share/man/man8/onset-collector.8.gz < "$programs/onset-collector.8"
}

package() {  # KIND PROGRAM
  local name=onset-$1 script
  tree=$build/tree/$name
  rm -rf "$tree"
  mkdir -p "$tree/DEBIAN"
  "$1"
  common "$name" "$1"
  (cd "$tree"; find . -path ./etc/\* -type f | sort | cut -c 2-) > "$tree/DEBIAN/conffiles"
  [ -s "$tree/DEBIAN/conffiles" ] || rm "$tree/DEBIAN/conffiles"
  (cd "$tree"; find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) > "$tree/DEBIAN/md5sums"
  sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@MAINTAINER@|$maintainer|" \
    -e "s|@DEPENDS@|$(cat "$programs/$2.depends")|" \
    -e "s|@SIZE@|$(find "$tree" -path "$tree/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k }')|" \
    "$here/$1/control" > "$tree/DEBIAN/control"
  for script in preinst postinst prerm postrm; do
    if [ -e "$here/$1/$script" ]; then
      sed "s|@VERSION@|$version|" "$here/$1/$script" > "$tree/DEBIAN/$script"
      chmod 755 "$tree/DEBIAN/$script"
    fi
  done
  find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  rm -f "$out/${name}_"*"~deb${release}_$arch.deb"
  # One thread: with more of them the bytes would depend on the machine.
  dpkg-deb --root-owner-group --threads-max=1 -Zxz -z3 --build "$tree" \
    "$out/${name}_${version}_$arch.deb" > /dev/null
  made+=("$out/${name}_${version}_$arch.deb")
}

made=()
if [ "$arch" = "$native" ]; then compile
elif [ "$native-$arch" = amd64-arm64 ]; then cross_compile
else echo "packages for $arch cannot be made on $native" >&2; exit 1
fi
package station onsetd
if [ "$arch" = "$native" ]; then
  package tools onset
  package collector onset-collector
fi
# Lintian runs as root too; its own warning of that is no finding.
lintian --tag-display-limit 0 --fail-on error,warning "${made[@]}" 2> >(grep -v 'root privileges' >&2)
ls -l "${made[@]}"
