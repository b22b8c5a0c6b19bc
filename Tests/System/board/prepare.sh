#!/usr/bin/env bash
# prepare.sh CACHE LIBRARIES OUT: what the emulated board boots. OUT/kernel is Debian's own arm64 kernel; OUT/initramfs
# holds busybox, the few modules and tools that the tests need, and the programs of board/guest. LIBRARIES is the arm64
# tree that aarch64.sh made, to link against and to copy from. Needs cpio, kmod and gcc-aarch64-linux-gnu. Packages are
# fetched once, to CACHE; the initramfs is packed anew each time, which takes a second.
set -euo pipefail
HERE=$(cd "$(dirname "$0")"; pwd)
. "$HERE/../private-apt.sh"
absolute() { mkdir -p "$1"; (cd "$1"; pwd); }
CACHE=$(absolute "$1"); LIBRARIES=$(cd "$2"; pwd); OUT=$(absolute "$3")
TRIPLET=aarch64-linux-gnu
TOOLS="busybox-static alsa-utils gpiod"
# With the libraries that it needs.
DAEMON=chrony
# configfs and the like come with them; what is built into the kernel is not named.
MODULES="virtio_pci virtio_net virtio_console 9p 9pnet_virtio snd-aloop ext4 brd"

fetch() {
  local apt=$CACHE/apt kernel deb
  rm -rf "$CACHE"/{boot,lib,root}
  mkdir -p "$CACHE/root"
  private_apt "$apt"
  kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p')
  (cd "$apt/cache"; apt-get -qq download "$kernel" $TOOLS)
  apt-get -qq --yes --download-only install $DAEMON > /dev/null
  for deb in "$apt"/cache/*.deb "$apt"/cache/archives/*.deb; do
    case $deb in
      */linux-image-*) dpkg-deb --fsys-tarfile "$deb" | tar x -C "$CACHE" --no-same-owner ./boot ./lib ;;
      *) dpkg-deb -x "$deb" "$CACHE/root" ;;
    esac
  done
  depmod -b "$CACHE" "${kernel#linux-image-}"
  unset APT_CONFIG
  rm -rf "$apt"
  echo "${kernel#linux-image-} $TOOLS $DAEMON" > "$CACHE/release"  # last: an interrupted fetch starts again
}
[[ "$(cat "$CACHE/release" 2> /dev/null)" == *" $TOOLS $DAEMON" ]] || fetch
read -r RELEASE _ < "$CACHE/release"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,dev,etc,host,proc,run,sys,tmp,usr/share,"usr/lib/$TRIPLET",modules}
ln -s usr/lib "$root/lib"
cp "$CACHE/root/bin/busybox" "$CACHE/root/usr/bin/"{amixer,gpioinfo,gpioset} "$root/bin"
cp -r "$LIBRARIES/usr/share/alsa" "$root/usr/share"
for library in libc.so.6 libm.so.6 libasound.so.2 libgpiod.so.2; do
  cp -L "$LIBRARIES/usr/lib/$TRIPLET/$library" "$root/usr/lib/$TRIPLET"
done
cp "$CACHE/root/usr/sbin/chronyd" "$root/bin"
# It looks its user up.
echo "root:x:0:0:root:/:/bin/sh" > "$root/etc/passwd"
echo "root:x:0:" > "$root/etc/group"
need() {  # FILE: its libraries, and theirs
  local library
  for library in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    [ ! -e "$root/usr/lib/$TRIPLET/$library" ] || continue
    cp -L "$CACHE/root"/{usr/,}lib/$TRIPLET/"$library" "$root/usr/lib/$TRIPLET" 2> /dev/null || true
    [ ! -e "$root/usr/lib/$TRIPLET/$library" ] || need "$root/usr/lib/$TRIPLET/$library"
  done
}
need "$root/bin/chronyd"
cp -L "$LIBRARIES/usr/lib/$TRIPLET/ld-linux-aarch64.so.1" "$root/usr/lib"

# Numbered, so that the guest loads them in the order of their dependencies.
number=100
for module in $(for m in $MODULES; do modprobe -d "$CACHE" -S "$RELEASE" --show-depends "$m"; done |
                awk '$1 == "insmod" && !seen[$2]++ { print $2 }'); do
  number=$((number + 1))
  case $module in
    *.xz) xz -dc "$module" > "$root/modules/$number-$(basename "$module" .xz)" ;;
    *) cp "$module" "$root/modules/$number-$(basename "$module")" ;;
  esac
done

CC=(aarch64-linux-gnu-gcc --sysroot="$LIBRARIES" -B "$LIBRARIES/usr/lib/$TRIPLET" -O2 -Wall -Wextra -Werror)
"${CC[@]}" "$HERE/guest/agent.c" -o "$root/bin/agent"
"${CC[@]}" "$HERE/guest/notified.c" -o "$root/bin/notified"
"${CC[@]}" "$HERE/guest/player.c" -o "$root/bin/player" -lasound
"${CC[@]}" -shared -fPIC "$HERE/guest/pps.c" -o "$root/usr/lib/$TRIPLET/pps.so"
install -m 755 "$HERE/guest/init" "$root/init"
(cd "$root"; find . | cpio -o -H newc -R 0:0 --quiet) > "$OUT/initramfs.part"
mv "$OUT/initramfs.part" "$OUT/initramfs"
cp "$CACHE/boot/vmlinuz-$RELEASE" "$OUT/kernel"
