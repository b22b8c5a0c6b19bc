#!/usr/bin/env bash
# aarch64.sh CACHE OUT [ONSETD TOOLS]: builds the firmware for AArch64 Linux from an x86-64 Debian, proves that
# no multiplication and addition were fused, and, where ONSETD and TOOLS are given, runs it under qemu-user as a
# Raspberry Pi 4 (Cortex-A72) and 5 (Cortex-A76): for the same frames the datagrams must be the same bytes as those of
# ONSETD, the x86-64 firmware, and as those of the ordinary build in TOOLS. The kernels of these processors are checked
# in the same way, by kernel-check. Needs gcc-aarch64-linux-gnu and qemu-user-static; writes to CACHE (Debian's arm64
# libraries, with what dpkg-shlibdeps wants to know of them) and OUT. RELEASE=13 builds for another Debian than this one.
set -euo pipefail
cd "$(dirname "$0")/../.."
. Tests/System/private-apt.sh
absolute() { mkdir -p "$1"; (cd "$1"; pwd); }
CACHE=$(absolute "$1"); OUT=$(absolute "$2"); S=$CACHE/root

# The station's targets, dependencies first; the last one holds @main. A missing one fails to link.
C_TARGETS="CSystem/Linux CSystem/Alsa CSystem/Gpiod CSystem/Sodium CKernels"
MODULES="Core Kernels Network Settings Clock Digitizer Conditioning Picker Estimator Uplink Decision Station Pins"
MODULES="$MODULES Devices Board Runtime Doctor onsetd"
# Only -dev packages: apt resolves the runtime ones, whose names differ between Debian releases.
PACKAGES="libc6-dev linux-libc-dev libasound2-dev libgpiod-dev libsodium-dev"
CONTENTS="$S $PACKAGES ${RELEASE:-}"

register() {  # DEB: what dpkg knows of an installed package, as far as dpkg-shlibdeps asks
  local info=$S/var/lib/dpkg/info name file
  name=$(dpkg-deb --field "$1" Package)
  [ "$(dpkg-deb --field "$1" Multi-Arch)" != same ] || name=$name:arm64
  mkdir -p "$info"
  echo 1 > "$info/format"
  for file in symbols shlibs; do dpkg-deb --info "$1" $file > "$info/$name.$file" 2> /dev/null || rm "$info/$name.$file"; done
  dpkg-deb --fsys-tarfile "$1" | tar t | sed -e 's|^\./lib/|./usr/lib/|' -e "s|^\.|$S|" -e 's|/$||' > "$info/$name.list"
  { dpkg-deb --field "$1"; printf 'Status: install ok installed\n\n'; } >> "$S/var/lib/dpkg/status"
}

sysroot() {  # Debian's arm64 packages
  local A=$CACHE/apt
  rm -rf "$S"
  mkdir -p "$S/usr/lib"
  private_apt "$A" "${RELEASE:-}"
  apt-get -qq --yes --download-only install $PACKAGES > /dev/null
  ln -s usr/lib "$S/lib"  # merged /usr, as on a real system; from Debian 13 on no package creates this link
  for deb in "$A"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar x -C "$S" --keep-directory-symlink --no-same-owner --exclude='./usr/share/'{doc,man,locale}
    register "$deb"
  done
  find "$S" -type l -lname '/*' | while read -r link; do
    ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$S$(readlink "$link")")" "$link"
  done
  unset APT_CONFIG
  rm -rf "$A"
  echo "$CONTENTS" > "$CACHE/complete"  # last: an interrupted fetch starts again
}
[ "$(cat "$CACHE/complete" 2> /dev/null)" = "$CONTENTS" ] || sysroot

INCLUDES=()
for c in $C_TARGETS; do INCLUDES+=(-I "Sources/$c/include"); done
SWIFT=(swiftc
  -target aarch64-none-none-elf  # the AArch64 ELF triple that the toolchain has an Embedded library for; the same ABI
  -Xfrontend -clang-target -Xfrontend aarch64-unknown-linux-gnu  # but C headers are read as Linux
  -Xcc --sysroot="$S"
  -Xcc -ffp-contract=off  # Swift never fuses a*b+c; clang does in the inline functions of C headers
  -enable-experimental-feature Embedded -wmo -O -Xfrontend -no-allocations -Xfrontend -function-sections
  -swift-version 6 -package-name onset -parse-as-library
  -module-cache-path "$OUT/cache" "${INCLUDES[@]}" -I "$OUT" -c)
# -B: our C library before the one of libc6-dev-arm64-cross. GCC's own default is to fuse.
CC=(aarch64-linux-gnu-gcc --sysroot="$S" -B "$S/usr/lib/aarch64-linux-gnu" -O3 -ffp-contract=off)
module() {  # NAME FOLDER
  find "$2" -name '*.swift' -print0 | sort -z | xargs -0 "${SWIFT[@]}" -module-name "$1" \
    -emit-module -emit-module-path "$OUT/$1.swiftmodule" -o "$OUT/$1.o"
}

rm -f "$OUT"/*.o "$OUT"/*.swiftmodule
for c in $C_TARGETS; do
  for file in Sources/"$c"/*.c; do "${CC[@]}" "${INCLUDES[@]}" -c "$file" -o "$OUT/${file//\//-}.o"; done
done
for m in $MODULES; do module "$m" "Sources/$m"; done
SODIUM=-lsodium
if [ -e "$S/usr/lib/aarch64-linux-gnu/libsodium.a" ]; then SODIUM=-l:libsodium.a; fi
"${CC[@]}" "$OUT"/*.o -o "$OUT/onsetd" -Wl,--gc-sections -lasound -lgpiod $SODIUM -lm

mkdir -p "$OUT/check"
module KernelCheck Tests/KernelCheck
mv "$OUT/KernelCheck.o" "$OUT/check"
"${CC[@]}" "$OUT"/{Core,Kernels,Network,check/KernelCheck}.o \
  "$OUT"/Sources-{CSystem-Linux,CSystem-Sodium,CKernels}-*.o -o "$OUT/kernel-check" -Wl,--gc-sections $SODIUM -lm

# x86-64 without FMA rounds twice, so AArch64 must too. This is the guarantee, whatever the flags.
aarch64-linux-gnu-objdump -d --no-show-raw-insn "$OUT"/*.o > "$OUT/listing"
if grep -P '\t(fn?m(add|sub)|fml[as])l?2?\t' "$OUT/listing"; then
  echo "a fused multiply-add is in the objects above" >&2
  exit 1
fi

if [ $# -lt 4 ]; then exit 0; fi
ONSETD=$(realpath "$3"); TOOLS=$(realpath "$4")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r boards calibration "$work"
host=$work/boards/host
mkdir -p "$host/state"
head -c 32 /dev/zero | tr '\0' '\7' > "$host/station.key"
chmod 600 "$host/station.key"
"$TOOLS/onset" demo --raw "$work/frames.raw" > /dev/null
run() {  # NAME COMMAND…
  local name=$1
  shift
  "$@" --board "$host/board.toml" --station "$host/station.toml" --recording "$work/frames.raw" --wire "$work/$name.bin"
}
run x86-64 "$ONSETD"
run ordinary "$TOOLS/onsetd"
cmp "$work/x86-64.bin" "$work/ordinary.bin"
picks=$("$TOOLS/onset" decode --key "$host/station.key" "$work/x86-64.bin" | grep -c '"type":"pick"')
[ "$picks" -ge 2 ] || { echo "the recording gave $picks picks: there is nothing to compare" >&2; exit 1; }
"$TOOLS/kernel-check" > "$OUT/check/x86-64"
grep hash "$OUT/check/x86-64"
networks() {  # COMMAND…: the variants' checksums of each golden network
  local network
  for network in Tests/Golden/networks/*.onet; do
    echo "$(basename "$network"): $("$@" "$network" "${network%.onet}.input.bin" | sed 's/.*outputs //' | sort -u | paste -sd ' ')"
  done
}
networks "$TOOLS/kernel-check" > "$OUT/check/networks"
for cpu in cortex-a72 cortex-a76; do
  qemu-aarch64-static -cpu $cpu -L "$S" "$OUT/kernel-check" > "$OUT/check/$cpu"
  hashes=$(cat "$OUT/check/x86-64" "$OUT/check/$cpu" | sed -n 's/.*hash //p' | sort -u | wc -l)
  [ "$hashes" = 1 ] || { echo "kernels on $cpu give other outputs" >&2; cat "$OUT/check/$cpu" >&2; exit 1; }
  echo "$cpu: $(sed -n 's/: .* hash .*//p' "$OUT/check/$cpu" | paste -sd ' '): the same outputs"
  networks qemu-aarch64-static -cpu $cpu -L "$S" "$OUT/kernel-check" | diff "$OUT/check/networks" -
  echo "$cpu: $(wc -l < "$OUT/check/networks") networks, in a window and as streams: the same outputs"
  run $cpu qemu-aarch64-static -cpu $cpu -L "$S" "$OUT/onsetd"
  cmp "$work/x86-64.bin" "$work/$cpu.bin"
  echo "$cpu: $(stat -c %s "$work/$cpu.bin") bytes of datagrams with $picks picks, the same as on x86-64"
done
