#!/usr/bin/env bash
# kernel.sh CACHE: builds CACHE/linux, a User Mode Linux with virtual time, and its one module, from Debian's kernel source,
# and fetches busybox. Takes five minutes of two cores, once for each kernel.config. Needs flex, bison, bc.
set -euo pipefail
HERE=$(cd "$(dirname "$0")"; pwd)
mkdir -p "$1"
CACHE=$(cd "$1"; pwd)
if [ ! -e "$CACHE/busybox/bin/busybox" ]; then  # not installed, because it would replace the machine's own
  mkdir -p "$CACHE/busybox"
  (cd "$CACHE/busybox"; apt-get -qq download busybox-static; dpkg-deb -x busybox-static_*.deb .)
fi
if [ -e "$CACHE/linux" ] && cmp -s "$HERE/kernel.config" "$CACHE/kernel.config"; then exit 0; fi
rm -f "$CACHE/kernel.config"
if [ ! -e "$CACHE/source/Makefile" ]; then
  package=$(apt-cache depends linux-source | sed -n 's/.*Depends: \(linux-source-[^ ]*\)$/\1/p')
  (cd "$CACHE"; apt-get -qq download "$package")
  mkdir -p "$CACHE/source"
  dpkg-deb --fsys-tarfile "$CACHE/$package"_*.deb | tar xO "./usr/src/$package.tar.xz" |
    tar xJ -C "$CACHE/source" --strip-components=1
  rm "$CACHE/$package"_*.deb
fi
# Debian's source forbids sound in User Mode Linux; with the memory-mapped access of kernel.config it works.
sed -i 's/^if !UML$/if !UML || INDIRECT_IOMEM/' "$CACHE/source/sound/Kconfig"
# A simulated interrupt waits for the next tick of 10 ms, because this architecture cannot interrupt itself. A pulse
# must not; it may be handled on the spot, where there is one processor and no pre-emption.
sed -i 's/irq_work_queue(&irq_ctx->work_ctx->work);/handle_simple_irq(irq_data_to_desc(data));/' \
  "$CACHE/source/kernel/irq/irq_sim.c"
grep -q INDIRECT_IOMEM "$CACHE/source/sound/Kconfig" && grep -q 'handle_simple_irq(irq_data' "$CACHE/source/kernel/irq/irq_sim.c" ||
  { echo "kernel.sh: this kernel's source is not the one that the two changes above were made for" >&2; exit 1; }
make -s -C "$CACHE/source" ARCH=um O="$CACHE/build" KCONFIG_ALLCONFIG="$HERE/kernel.config" allnoconfig
grep -v '^#' "$HERE/kernel.config" | while read -r wanted; do
  if ! grep -qx "$wanted" "$CACHE/build/.config"; then
    echo "kernel.config: $wanted did not hold; add what it depends on" >&2
    exit 1
  fi
done
make -s -C "$CACHE/source" ARCH=um O="$CACHE/build" -j"$(nproc)" linux modules
strip -o "$CACHE/linux.part" "$CACHE/build/linux"
mv "$CACHE/linux.part" "$CACHE/linux"
cp "$CACHE/build/drivers/i2c/i2c-stub.ko" "$CACHE"
cp "$HERE/kernel.config" "$CACHE"  # last: an interrupted build starts again
