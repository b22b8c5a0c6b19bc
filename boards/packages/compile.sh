#!/usr/bin/env bash
# compile.sh BUILD OUT: builds the three programs on this machine, for this machine's release and processor, and leaves
# them stripped in OUT, with what they depend on (NAME.depends), the bash completion and the manual pages that come from
# the programs themselves. Swift's libraries are linked in; Debian's are not. BUILD is kept for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "$1" "$2"
build=$(realpath "$1") out=$(realpath "$2")

# The folder that the sources lie in is in no program.
nameless=(-Xswiftc -file-prefix-map -Xswiftc "$PWD=/onset" -Xcc "-ffile-prefix-map=$PWD=/onset"
  -Xlinker -z -Xlinker relro)
# No object brings a hash of itself for the next build, and the program none of what is stripped from it: both differ
# from folder to folder. Swift's own linker is the same on every Debian.
ordinary=(-c release --static-swift-stdlib --disable-local-rpath --scratch-path "$build/ordinary" "${nameless[@]}"
  -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen -Xswiftc -use-ld=lld -Xlinker --build-id=none)
ONSET_FIRMWARE=1 swift build -c release --disable-local-rpath --scratch-path "$build/firmware" "${nameless[@]}" \
  -Xlinker --build-id=none --product onsetd
swift build "${ordinary[@]}" --product onset
swift build "${ordinary[@]}" --product onset-collector
strip --remove-section=.comment -o "$out/onsetd" "$build/firmware/release/onsetd"
strip --remove-section=.comment -o "$out/onset" "$build/ordinary/release/onset"
strip --remove-section=.comment -o "$out/onset-collector" "$build/ordinary/release/onset-collector"
card=libasound_module_pcm_onset.so
# Swift's package manager would leave the toolchain's folder in it as a search path.
gcc -O2 -fPIC -shared -Wl,-z,relro,--build-id=none -I Sources/CSystem/SimulatedCard/include -o "$out/$card" \
  Sources/CSystem/SimulatedCard/*.c -lasound
strip --strip-unneeded --remove-section=.comment "$out/$card"

# dpkg-shlibdeps wants to stand in a source package.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: onset\n\nPackage: onset\nArchitecture: any\n' > "$work/debian/control"
for program in onsetd onset onset-collector; do
  (cd "$work"; dpkg-shlibdeps --warnings=0 -O "$out/$program" 2> errors > depends || { cat errors >&2; exit 1; })
  sed -n 's/^shlibs:Depends=//p' "$work/depends" > "$out/$program.depends"
done

# Text as it stands, for troff.
literal() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }
page() {  # NAME SECTION TITLE
  printf '.TH %s %s "" "Onset" "Onset"\n.SH NAME\n%s \\- %s\n' "${1^^}" "$2" "$1" "$3"
}
section() { printf '.%s %s\n.nf\n' "$1" "$2"; literal; printf '.fi\n'; }

onset=$out/onset
"$onset" completion bash > "$out/onset.bash"
words() { sed -n "$1" "$out/onset.bash" | head -n 1; }
{
  page onset 1 "tools around a seismic field station"
  { "$onset" || true; } 2>&1 | section SH DESCRIPTION
  echo '.SH COMMANDS'
  for command in $(words 's/.*compgen -W "\([^"]*\)".*/\1/p'); do
    words_of=$(words "s/^ *\"2 $command\") offered=\"\([^\"]*\)\".*/\1/p")
    [ "$command" != help ] || words_of=
    for word in ${words_of:-""}; do
      name=$command${word:+ $word}
      "$onset" help $name | section SS "\"onset ${name//-/\\-}\""
    done
  done
  printf '.SH SEE ALSO\n.BR onsetd (8),\n.BR onset\\-collector (8)\n'
} > "$out/onset.1"
{
  page onset-collector 8 "receives, verifies and stores what seismic stations send"
  "$out/onset-collector" --help | section SH DESCRIPTION
  printf '.SH FILES\n.TP\n.I /etc/onset/collector.toml\nWhat the service does; its comments tell every key.\n'
  printf '.TP\n.I /var/lib/onset\\-collector\nThe store.\n'
  printf '.SH SEE ALSO\n.BR onset (1),\n.BR onsetd (8)\n'
} > "$out/onset-collector.8"
