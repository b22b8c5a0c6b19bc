# private_apt DIRECTORY: to be sourced. Makes DIRECTORY into an apt of its own that serves arm64 (own state and dpkg
# status, the machine's own sources and keys) and lets apt-get use it from then on. Nothing of the machine is changed.
private_apt() {
  local A=$1
  rm -rf "$A"
  mkdir -p "$A/lists/partial" "$A/cache/archives/partial" "$A/etc"
  : > "$A/status"
  (cd /etc/apt; cp -rL sources.list* preferences* apt.conf* trusted.gpg* "$A/etc" 2> /dev/null) || true
  # Hooks would act on the real system.
  { grep -ls Invoke "$A"/etc/apt.conf.d/* || true; } | xargs -rd '\n' rm
  cat > "$A/conf" <<END
Dir::Etc "$A/etc"; Dir::State "$A"; Dir::State::status "$A/status"; Dir::Cache "$A/cache"; Debug::NoLocking "1";
APT::Architecture "arm64"; APT::Architectures { "arm64"; }; APT::Sandbox::User "root"; APT::Install-Recommends "false";
END
  export APT_CONFIG=$A/conf
  apt-get -qq update
}
