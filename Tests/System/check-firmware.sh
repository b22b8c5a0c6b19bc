#!/usr/bin/env bash
# check-firmware.sh FOLDER: no Swift object of the firmware may refer to the C library's heap, and the
# stripped program stays below 510 kB. The compiler's -no-allocations does not see C's malloc; this does.
set -euo pipefail
folder=$1
nm=$(command -v llvm-nm || command -v nm)
objects=$(find -L "$folder" -name '*.swift.o')
[ -n "$objects" ] || { echo "no Swift objects under $folder" >&2; exit 1; }

# Names of the heap's functions, as linkers know them. getaddrinfo's result is freed by freeaddrinfo.
heap='^(malloc|calloc|realloc|reallocarray|free|memalign|aligned_alloc|posix_memalign|valloc|strdup|strndup|asprintf|swift_(slowAlloc|allocObject|retain|release)[A-Za-z]*)$'
bad=$("$nm" --undefined-only $objects | awk '/^\// { file = $1 } $1 == "U" { print $2, file }' | awk -v heap="$heap" '$1 ~ heap' || true)
if [ -n "$bad" ]; then
  echo "Swift code of the firmware refers to the heap:" >&2
  echo "$bad" >&2
  exit 1
fi
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$folder/onsetd"
size=$(stat -c %s "$stripped")
echo "firmware: $(echo "$objects" | wc -l) Swift objects without a reference to the heap, $size bytes stripped"
[ "$size" -le 510000 ] || { echo "the limit is 510000 bytes" >&2; exit 1; }
