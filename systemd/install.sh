#!/bin/sh
# Installs the release that it lies in as a service of this host, or brings an older one up to it, or removes it again.
#
#   sh install.sh              installs, or upgrades, and starts the service
#   sh install.sh --socket     as a socket-activated service; later upgrades keep to it
#   sh install.sh --no-start   installs and starts nothing
#   sh install.sh --dry-run    says what it would do, and does nothing (with any of the others)
#   sh install.sh --root DIR   installs under DIR, for an image or a package: asks systemd for nothing, starts nothing
#   sh install.sh --uninstall  stops it and removes what was installed; policy, credentials and the log stay
#
# Each step that is done already is left alone, so it can be run again at any time, also after it was interrupted.
set -euf
umask 022
export LC_ALL=C

say() { printf 'install: %s\n' "$*"; }
fail() {
  printf 'install: %s\n' "$*" >&2
  told=true
  exit 1
}
told=false
trap 'code=$?; [ $code = 0 ] || $told || printf "install: stopped before its end. Run it again: it goes on where this ended.\n" >&2' EXIT
usage() { sed -n 's/^#   //p' "$0"; }

dry=false
uninstall=false
socket=false
start=true
staged=false
root=
while [ $# != 0 ]; do
  case $1 in
    --dry-run) dry=true ;;
    --uninstall) uninstall=true ;;
    --socket) socket=true ;;
    --no-start) start=false ;;
    --root) [ $# != 1 ] || fail '--root needs a folder'; root=$2; staged=true; shift ;;
    --root=*) root=${1#--root=}; staged=true ;;
    --help) usage; exit ;;
    *) printf 'install: %s is no option of this\n' "$1" >&2; usage >&2; told=true; exit 2 ;;
  esac
  shift
done

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
name=incident-recorder
if $staged; then
  [ -d "$root" ] || fail "--root $root: there is no such folder"
  root=$(CDPATH='' cd -- "$root" && pwd)
  root=${root%/}
fi

release=$root/usr/lib/$name
command=$root/usr/bin/$name
units=$root/usr/lib/systemd/system
dropin=$units/$name.service.d/socket-activated.conf
tmpfiles=$root/usr/lib/tmpfiles.d/$name.conf
config=$root/etc/secure-ai
credentials=$config/credentials
token=$root/run/secure-ai/service-token
state=$root/var/lib/secure-ai/logs
state_private=$root/var/lib/private/secure-ai/logs # where a dynamic user's state is while the service is stopped
shadow=$root/etc/systemd/system/$name.service
restart_wanted=$root/run/$name.restart-wanted # outlives an interrupted run, and no boot
changed=false

# What is done goes through these, so that a dry run says the same and does nothing.
does() {
  say "$1"
  shift
  $dry || "$@"
}
changes() {
  changed=true
  $dry || $staged || : >"$restart_wanted"
  does "$@"
}

# One at a time. The kernel frees it when its holder is gone, however that went.
lock() {
  if $staged || $dry; then return 0; fi
  exec 9>"/run/$name.install.lock"
  flock -n 9 || fail 'another one is installing here. Nothing was changed.'
}

# --- what must be so ------------------------------------------------------------------------------------------------

check_right() {
  if $staged; then
    [ -w "$root/" ] || fail "$root cannot be written to. Nothing was changed."
  else
    [ "$(id -u)" = 0 ] || fail 'only root can install a service: try again with sudo. (--root DIR installs into a folder of your own.) Nothing was changed.'
  fi
}

check_systemd() {
  ! $staged || return 0
  [ -d /run/systemd/system ] || fail 'this machine is not run by systemd. To install into an image, use --root DIR. Nothing was changed.'
  version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 250 ] || fail "systemd ${version:-?} is too old for the unit's sandbox: 250 or newer is needed (Debian 12, Ubuntu 22.10, RHEL 9). Nothing was changed."
}

check_release() {
  [ -f "$here/VERSION" ] && [ -f "$here/SHA256SUMS" ] || fail "this is to be run as install.sh of an unpacked release; $here is none. \`npm run release\` makes one. Nothing was changed."
  read -r product version platform <"$here/VERSION"
  [ "$product" = "$name" ] || fail "$here is a release of $product. Nothing was changed."
  case $(uname -m) in x86_64 | amd64) machine=linux-x64 ;; aarch64 | arm64) machine=linux-arm64 ;; *) machine=$(uname -m) ;; esac
  [ "$machine" = "$platform" ] || fail "this release is made for $platform, and this machine is $machine. Nothing was changed."
  # All that is there must be listed as well, or a file that was slipped in would be installed unseen.
  listed=$(cut -c 67- "$here/SHA256SUMS" | sort)
  present=$(cd "$here" && find . -type f ! -path ./SHA256SUMS | cut -c 3- | sort)
  [ "$listed" = "$present" ] || fail 'this release is not whole: SHA256SUMS lists other files than there are. Unpack it again. Nothing was changed.'
  odd=$(cd "$here" && find . ! -type f ! -type d)
  [ -z "$odd" ] || fail "this release holds what no release does: $odd. Nothing was changed."
  wrong=$(cd "$here" && sha256sum --check --quiet SHA256SUMS 2>/dev/null) ||
    fail "this release is not what was made: $(printf '%s' "$wrong" | tr '\n' ' ')(SHA256SUMS). Get it again. Nothing was changed."
  $socket && [ ! -f "$here/systemd/$name.socket" ] && fail "this release has no $name.socket. Nothing was changed."
  check_node
}

check_node() {
  answer=$(NODE_OPTIONS='' "$here/bin/node" -e 'require(process.argv[1])' "$here/lib/better_sqlite3.node" 2>&1) || case $answer in
    *libatomic.so.1*) fail 'Node needs the library libatomic.so.1. Debian, Ubuntu: apt-get install libatomic1. Fedora, RHEL: dnf install libatomic. Nothing was changed.' ;;
    *libstdc++.so.6*cannot\ open* | *libgcc_s.so.1*) fail 'Node needs the C++ library. Debian, Ubuntu: apt-get install libstdc++6. Fedora, RHEL: dnf install libstdc++. Nothing was changed.' ;;
    *GLIBC_* | *GLIBCXX_*) fail "glibc 2.34 or newer is needed (Debian 12, Ubuntu 22.04, RHEL 9); this system has an older one ($answer). Nothing was changed." ;;
    *[Pp]ermission\ denied*) fail "$here/bin/node may not be executed: a file system mounted noexec? Unpack the release elsewhere. Nothing was changed." ;;
    *[Nn]ot\ found* | *No\ such\ file*) fail 'the release is made for glibc, and this system has none (Alpine and others use musl). Nothing was changed.' ;;
    *) fail "Node does not run here: $answer. Nothing was changed." ;;
  esac
}

# --- files ----------------------------------------------------------------------------------------------------------

owned() { [ "$(id -u)" != 0 ] || chown -R 0:0 "$1"; }

folder() { # path, mode
  [ ! -d "$1" ] || return 0
  does "folder $1 ($2)" mkdir -p -m "$2" "$1"
}

# A file that follows the release: whole or not at all.
replace() { # from, to, mode
  if cmp -s "$1" "$2"; then
    say "$2 is in place"
    return 0
  fi
  changes "write $2" put "$@"
}
put() {
  mkdir -p "$(dirname -- "$2")"
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  owned "$2.new"
  sync "$2.new"
  mv -f "$2.new" "$2"
}

# A file that is root's own once it is there: made from stdin, readable by nobody else, whole or not at all, never over another.
keep() { # to
  (
    umask 077
    cat >"$1.new"
    [ -s "$1.new" ] || exit 1
    owned "$1.new"
    sync "$1.new"
    ln "$1.new" "$1" 2>/dev/null || [ -e "$1" ]
    rm -f "$1.new"
  ) || fail "cannot write $1"
}

# --- the steps of an installation -----------------------------------------------------------------------------------

# What an interrupted run left: half a copy goes, and a release that was put aside comes back.
clear_up() {
  if [ -d "$release.new" ]; then does "remove $release.new, which an interrupted run left" rm -rf "$release.new"; fi
  [ -d "$release.old" ] || return 0
  if [ -d "$release" ]; then
    does "remove $release.old, which an interrupted run left" rm -rf "$release.old"
  else
    does "put $release.old back, which an interrupted run left" mv "$release.old" "$release"
  fi
}

install_release() {
  if cmp -s "$here/SHA256SUMS" "$release/SHA256SUMS" && (cd "$release" && sha256sum --check --quiet --status SHA256SUMS 2>/dev/null); then
    say "$release is $version already"
    return 0
  fi
  before=
  [ ! -e "$release" ] || before='one that was installed by hand'
  [ ! -f "$release/VERSION" ] || read -r _ before _ <"$release/VERSION"
  changes "install $version to $release${before:+ in place of $before}" swap_release
}
swap_release() {
  rm -rf "$release.new"
  mkdir -p -m 0755 "$release.new"
  cp -R "$here/." "$release.new"
  find "$release.new" -type d -exec chmod 0755 {} +
  find "$release.new" -type f -exec chmod 0644 {} +
  chmod 0755 "$release.new/bin/node" "$release.new/install.sh"
  owned "$release.new"
  sync -f "$release.new"
  [ ! -e "$release" ] || mv "$release" "$release.old"
  mv "$release.new" "$release"
  rm -rf "$release.old"
}

install_command() {
  wrapper=$(mktemp)
  write_command >"$wrapper"
  replace "$wrapper" "$command" 0755
  rm -f "$wrapper"
}
# Paths as they will be when the root is the host's.
write_command() {
  cat <<WRAPPER
#!/bin/sh
# The operator's command of the incident recorder, on the Node that it was released with.
unset NODE_OPTIONS NODE_PATH
export NODE_COMPILE_CACHE=/usr/lib/$name/cache NODE_COMPILE_CACHE_PORTABLE=1
exec /usr/lib/$name/bin/node --max-semi-space-size=2 /usr/lib/$name/lib/cli.js "\$@"
WRAPPER
}

# Units of an installation by hand lie in /etc, before ours, and run what was in $release before.
clear_shadow() {
  [ -f "$shadow" ] || return 0
  if grep -q "^ExecStart=/usr/lib/$name/node " "$shadow"; then
    changes "put $shadow aside as $shadow.by-hand: it was installed by hand and runs what is no more" put_aside
  else
    say "NOTE: $shadow stands before the unit of this release, and was left alone"
  fi
}

put_aside() {
  $staged || systemctl disable --quiet "$name.service"
  mv "$shadow" "$shadow.by-hand"
}

install_units() {
  clear_shadow
  replace "$here/systemd/$name.service" "$units/$name.service" 0644
  [ ! -f "$dropin" ] || socket=true
  $socket || return 0
  replace "$here/systemd/$name.socket" "$units/$name.socket" 0644
  replace "$here/systemd/socket-activated.conf" "$dropin" 0644
}

install_policy() {
  policy=$config/policy/incident-containment.yaml
  folder "$config/policy" 0755
  if [ ! -e "$policy" ]; then
    does "write $policy" put "$here/policy/incident-containment.yaml" "$policy" 0644
  elif cmp -s "$here/policy/incident-containment.yaml" "$policy"; then
    say "$policy is the one of this release"
  else
    say "$policy is your own and stays; the one of this release is $release/policy/incident-containment.yaml"
  fi
}

# --- credentials ----------------------------------------------------------------------------------------------------

install_credentials() {
  folder "$config" 0755
  folder "$credentials" 0700
  folder "$credentials/secrets" 0700 # of actuators, and keys of webhooks: a file each
  rm_leftovers
  install_token
  install_key
}
rm_leftovers() {
  for left in "$credentials/service-token.new" "$credentials/checkpoint.key.new"; do
    [ ! -e "$left" ] || does "remove $left, which an interrupted run left" rm -f "$left"
  done
}

# A token in /run that is not from here is the host's own, which may live in memory only, and be made anew at each boot. A copy in /etc would put
# it on the disk and, after a boot, bring back one that was replaced: it stays in force, and no other is made.
install_token() {
  if [ -e "$credentials/service-token" ]; then
    say "$credentials/service-token is in place"
    if [ -e "$token" ] && ! cmp -s "$token" "$credentials/service-token"; then say "NOTE: $token is another one, and the one in force"; fi
  elif [ -e "$token" ]; then
    say "$token is there, and not from here: it stays in force, and whoever made it is to make it after each boot."
    say "  To have it kept here instead: install -m 0600 $token $credentials/service-token"
  else
    does "make the service token $credentials/service-token" make_token
  fi
}
make_token() {
  new=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  [ "${#new}" = 64 ] || fail 'cannot make a token: /dev/urandom gave too little'
  printf '%s' "$new" | keep "$credentials/service-token"
}

# The key of an older installation is taken over, or its log would go on under another.
install_key() {
  if [ -e "$credentials/checkpoint.key" ]; then
    say "$credentials/checkpoint.key is in place"
    return 0
  fi
  for older in "$config/checkpoint.key" "$state/checkpoint.key" "$state_private/checkpoint.key"; do
    [ -s "$older" ] || continue
    does "take the key of the checkpoints over from $older to $credentials/checkpoint.key" take_key "$older"
    return 0
  done
  does "make the key of the checkpoints $credentials/checkpoint.key" make_key
}
take_key() { keep "$credentials/checkpoint.key" <"$1"; }
make_key() {
  NODE_OPTIONS='' "$here/bin/node" -p "require('node:crypto').generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).trim()" |
    keep "$credentials/checkpoint.key"
}

install_tmpfiles() {
  replace "$here/systemd/$name.tmpfiles" "$tmpfiles" 0644
  $staged || does "systemd-tmpfiles --create $tmpfiles" systemd-tmpfiles --create "$tmpfiles"
}

# --- systemd --------------------------------------------------------------------------------------------------------

active() { systemctl is-active --quiet "$1"; }

bring_up() {
  ! $staged || { say 'nothing was started or enabled: systemd was not asked'; return 0; }
  if $changed || [ "$(systemctl show -p NeedDaemonReload --value "$name.service")" = yes ]; then
    does 'systemctl daemon-reload' systemctl daemon-reload
  fi
  wanted="$name.service"
  ! $socket || wanted="$name.socket $name.service"
  for unit in $wanted; do
    if systemctl is-enabled --quiet "$unit" 2>/dev/null; then say "$unit is enabled"; else does "systemctl enable $unit" systemctl enable --quiet "$unit"; fi
  done
  $start || { say "nothing was started: systemctl start $wanted"; return 0; }
  if ! active "$name.service"; then
    started start
  elif $changed || [ -e "$restart_wanted" ] || runs_another; then
    started restart
  else
    say "$name.service is active, and runs $version"
  fi
}

# The Node of a release that was swapped out runs on, from a file that has no name any more.
runs_another() {
  running=$(readlink "/proc/$(systemctl show -p MainPID --value "$name.service")/exe") || return 0
  [ "$running" != "$release/bin/node" ]
}

started() { # start or restart
  say "systemctl $1 $name.service"
  ! $dry || return 0
  if $socket && ! active "$name.socket"; then
    systemctl stop "$name.service"
    systemctl start "$name.socket" || failed
  fi
  systemctl "$1" "$name.service" || failed
  waited=0
  until answers; do
    [ "$waited" -lt 30 ] && systemctl is-active "$name.service" | grep -q '^activ' || failed
    waited=$((waited + 1))
    sleep 1
  done
  rm -f "$restart_wanted"
  say "$name.service is active, and answers"
}
# That it is active says little of a unit that does not tell when it is ready. Any answer will do.
answers() {
  active "$name.service" && "$release/bin/node" -e '
    const fail = () => process.exit(1);
    require("node:http").get(process.argv[1], () => process.exit(0)).on("error", fail).setTimeout(2000, fail);
  ' "http://$(address)/health"
}
address() {
  bound=$(systemctl show -p Environment --value "$name.service" | tr ' ' '\n' | sed -n 's/^BIND_ADDR=//p' | tail -n 1)
  printf '%s' "${bound:-127.0.0.1:8515}"
}
failed() {
  say "$name.service did not start. Its last lines:"
  journalctl -u "$name.service" -n 20 --no-pager -o cat || :
  fail "installed, and not running. When that is mended: systemctl start $name"
}

tell_how_to_reach() {
  $start && ! $staged && ! $dry || return 0
  where=http://$(address)
  cat <<REACH

Incident Recorder $version on $where, the token is in $token

  Report an incident:
    curl -sS -H "Authorization: Bearer \$(cat $token)" -H 'Content-Type: application/json' -d '{"class":"prompt_injection","source":"my-agent-monitor","description":"An instruction was hidden in a web page"}' '$where/api/v1/incidents/report'
  Its log, and its alerts alone:
    journalctl -u $name
    journalctl -u $name -p crit
  The public key of its checkpoints, to be pinned elsewhere:
    journalctl -u $name -o cat | sed -n 's/.*"message":"listening".*"key":"\([^"]*\)".*/\1/p' | tail -n 1
REACH
  if "$command" --help 2>/dev/null | grep -q '^  doctor'; then printf '  Is all well?\n    %s doctor\n' "$name"; fi
}

# --- the other way round --------------------------------------------------------------------------------------------

# Only what is, byte for byte, what the installed release put there.
take_away() { # file, what it was installed from
  [ -e "$1" ] || return 0
  if cmp -s "$1" "$2"; then does "remove $1" rm -f "$1"; else say "NOTE: $1 is not what was installed, and stays"; fi
}

uninstall_all() {
  if [ -f "$release/VERSION" ]; then read -r product _ <"$release/VERSION"; else product=; fi
  if ! $staged; then
    for unit in "$name.socket" "$name.service"; do
      [ -e "$units/$unit" ] || continue
      does "systemctl disable --now $unit" systemctl disable --quiet --now "$unit"
    done
  fi
  if [ "$product" = "$name" ]; then
    from=$release/systemd
    take_away "$dropin" "$from/socket-activated.conf"
    [ ! -d "$units/$name.service.d" ] || $dry || rmdir "$units/$name.service.d" 2>/dev/null || say "NOTE: $units/$name.service.d holds drop-ins of others, and stays"
    take_away "$units/$name.socket" "$from/$name.socket"
    take_away "$units/$name.service" "$from/$name.service"
    take_away "$tmpfiles" "$from/$name.tmpfiles"
    wrapper=$(mktemp)
    write_command >"$wrapper"
    take_away "$command" "$wrapper"
    rm -f "$wrapper"
    does "remove $release" rm -rf "$release" "$release.new" "$release.old"
  else
    say "no release is installed in $release"
  fi
  $staged || $dry || { systemctl daemon-reload; rm -f "$restart_wanted"; }
  say "$config (policy, credentials) and $root/var/lib/secure-ai (log, database) stay. To remove for ever what is the recorder's in them:"
  say "  rm -rf $credentials/service-token $credentials/checkpoint.key $credentials/secrets $config/policy/incident-containment.yaml $token $state $state_private"
}

# --------------------------------------------------------------------------------------------------------------------

! $dry || say 'a dry run: what follows would be done, and nothing is'
check_right
check_systemd
lock
if $uninstall; then
  uninstall_all
  exit 0
fi
check_release
clear_up
install_credentials
install_tmpfiles
install_policy
install_release
install_command
install_units
bring_up
tell_how_to_reach
