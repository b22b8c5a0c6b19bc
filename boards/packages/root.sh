#!/usr/bin/env bash
# root.sh RELEASE FOLDER PACKAGE…: makes FOLDER a Debian of that release (12, 13) with these packages, unless it is one
# already. The archive is the one that this machine's apt uses. Needs debootstrap and root. ARCH=arm64 makes one for that
# processor, whose programs qemu-user-static runs meanwhile.
set -euo pipefail
release=$1 folder=$2
shift 2
case $release in 12) suite=bookworm;; 13) suite=trixie;; *) echo "no Debian $release is known here" >&2; exit 1;; esac
[ "$(id -u)" = 0 ] || { echo "root.sh must be run as root, for debootstrap and chroot" >&2; exit 1; }
# Each line of FOLDER.complete is a package; an interrupted run starts again.
native=$(dpkg --print-architecture)
arch=${ARCH:-$native}
[ "$(cat "$folder.complete" 2> /dev/null)" != "$suite $*" ] || exit 0
archive=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' | sed -n 's/^Debian Debian //p' | head -n 1)
[ -n "$archive" ] || { echo "apt knows no archive of Debian's: run apt-get update" >&2; exit 1; }
if [ "$arch" != "$native" ]; then
  [ "$arch" = arm64 ] || { echo "no root for $arch is known here" >&2; exit 1; }
  handlers=/proc/sys/fs/binfmt_misc
  [ -e $handlers/register ] || mount -t binfmt_misc binfmt_misc $handlers
  # The first 20 bytes of an AArch64 program. F: the interpreter is opened now, outside of the root.
  echo ":onset-$$:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$(command -v qemu-aarch64-static):F" \
    > $handlers/register
  trap 'echo -1 > $handlers/onset-$$' EXIT
fi
rm -rf "$folder" "$folder.complete"
mkdir -p "$folder"
debootstrap --arch="$arch" --variant=minbase "$suite" "$folder" "$archive" > "$folder.log" 2>&1 || { tail "$folder.log" >&2; exit 1; }
# How this machine reaches the archive is how the root does.
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [ -e "$file" ] && grep -qs Acquire "$file" && ! grep -qs Invoke "$file"; then
    cp "$file" "$folder/etc/apt/apt.conf.d"
  fi
done
export DEBIAN_FRONTEND=noninteractive
chroot "$folder" apt-get -qq update
if [ $# -gt 0 ]; then chroot "$folder" apt-get -qq --yes --no-install-recommends install "$@" > "$folder.log" 2>&1; fi
echo "$suite $*" > "$folder.complete"
