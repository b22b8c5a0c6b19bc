# private_apt DIRECTORY [RELEASE]: to be sourced. Makes DIRECTORY into an apt of its own that serves arm64 (own state and
# dpkg status, the machine's own sources and keys) and lets apt-get use it from then on. Another RELEASE of Debian than the
# machine's, 12 or 13, comes from the same archive. Nothing of the machine is changed.
private_apt() {
  local A=$1 release=${2:-} suite archive
  rm -rf "$A"
  mkdir -p "$A/lists/partial" "$A/cache/archives/partial" "$A/etc"
  : > "$A/status"
  (cd /etc/apt; cp -rL sources.list* preferences* apt.conf* trusted.gpg* "$A/etc" 2> /dev/null) || true
  if [ -n "$release" ] && [ "$release" != "$(. /etc/os-release; echo "$VERSION_ID")" ]; then
    case $release in 12) suite=bookworm;; 13) suite=trixie;; *) echo "no Debian $release is known here" >&2; return 1;; esac
    archive=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' | sed -n 's/^Debian Debian //p' | head -n 1)
    [ -n "$archive" ] || { echo "apt knows no archive of Debian's: run apt-get update" >&2; return 1; }
    rm -rf "$A"/etc/sources.list* "$A"/etc/preferences*
    mkdir "$A/etc/preferences.d"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main" > "$A/etc/sources.list"
  fi
  # Hooks would act on the real system.
  { grep -ls Invoke "$A"/etc/apt.conf.d/* || true; } | xargs -rd '\n' rm
  cat > "$A/conf" <<END
Dir::Etc "$A/etc"; Dir::State "$A"; Dir::State::status "$A/status"; Dir::Cache "$A/cache"; Debug::NoLocking "1";
APT::Architecture "arm64"; APT::Architectures { "arm64"; }; APT::Sandbox::User "root"; APT::Install-Recommends "false";
END
  export APT_CONFIG=$A/conf
  apt-get -qq update
}
