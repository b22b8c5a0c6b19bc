#!/usr/bin/env bash
# soak.sh CACHE OUT ONSETD TOOLS HOURS PERIOD: so many hours of the firmware, in virtual time; OUT/root/out is what it
# left behind, for soak.py to judge. The firmware is the x86-64 one, because User Mode Linux runs on its host's
# processor. PERIOD is the digitizer's, in frames: what a soak costs is wake-ups, and of 80 there are a hundred a
# second. On two shared cores an hour takes 17 to 34 s with 800 frames and 142 s with 80; QEMU with -icount, whose board
# the other tests use, would take 310 s.
set -euo pipefail
HERE=$(cd "$(dirname "$0")"; pwd)
TOP=$HERE/../../..
absolute() { mkdir -p "$1"; (cd "$1"; pwd); }
CACHE=$(absolute "$1"); OUT=$(absolute "$2"); ONSETD=$(realpath "$3"); TOOLS=$(realpath "$4"); HOURS=$5; PERIOD=$6
root=$OUT/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,lib64,out,proc,run,station/state,sys,usr/share,"usr/lib/x86_64-linux-gnu"}
ln -s usr/lib "$root/lib"
cp "$CACHE/busybox/bin/busybox" "$root/bin"
for applet in cat ifconfig kill ls mkdir mount poweroff sh sleep wc; do ln -s busybox "$root/bin/$applet"; done
gcc -O2 "$HERE/world.c" -o "$root/bin/world" -lm
gcc -O2 "$HERE/upstream.c" -o "$root/bin/upstream"
gcc -O2 "$HERE/../board/guest/player.c" -o "$root/bin/player" -lasound
cp "$ONSETD" "$root/station/onsetd"
for program in "$root/bin/player" "$root/station/onsetd"; do
  ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | xargs cp -Lt "$root/usr/lib/x86_64-linux-gnu"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64"
cp -r /usr/share/alsa "$root/usr/share"
install -m 755 "$HERE/init" "$root/init"

board=$TOP/boards/emulated
sed -e 's/"gpiochip0"/"soak-gpio"/' -e "s/^period_frames = 80 /period_frames = $PERIOD /" "$board/board.toml" \
  > "$root/station/board.toml"
sed -e 's/"10.0.2.2"/"127.0.0.1"/' -e 's#"../../calibration/models/#"#' "$board/station.toml" \
  > "$root/station/station.toml"
cp "$board/accelerometer.toml" "$TOP"/calibration/models/*.onet "$root/station"
(umask 077; printf 'the key of the soak, 32 bytes it.' | head -c 32 > "$root/station/station.key")
"$TOOLS/onset" demo --raw "$root/station/quake.raw" > /dev/null

# The station's time begins half an hour before 2027, so that the leap second falls where one would.
start=$(date +%s)
"$CACHE/linux" mem=128M rootfstype=hostfs rootflags="$root" rw init=/init con0=null,fd:1 con=null ssl=null quiet \
  time-travel=inf-cpu time-travel-start=1798759800000000000 SOAK_SECONDS=$((HOURS * 3600)) < /dev/null
took=$(($(date +%s) - start))
echo "$HOURS hours of the station's time took $took s: $((HOURS * 3600 / (took > 0 ? took : 1))) times as fast"
