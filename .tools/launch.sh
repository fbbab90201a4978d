#!/bin/sh
# Installs what is missing, finds a Node that is new enough, compiles, and starts the service, its tests or its checks.
#
#   sh .tools/launch.sh start [args]   the service, with its data in ./var
#   sh .tools/launch.sh test [args]    the tests; arguments go to vitest (a file name, -t <words>, --coverage)
#   sh .tools/launch.sh sandbox [args] the tests of the service in a real systemd; skipped where none can be started
#   sh .tools/launch.sh check          types, lint, format, dead code, the floors
#   sh .tools/launch.sh bench [args]   the measurements in test/bench
#   sh .tools/launch.sh bench-sandbox  the same of the release in a real systemd; --quick, --profile
#   sh .tools/launch.sh build          src -> dist
#   sh .tools/launch.sh release        src, Node and all else that a host needs -> release/*.tar.gz; --out DIR
#   sh .tools/launch.sh cli <args>     the operator's command, such as `audit verify FILE`
#   sh .tools/launch.sh run <args>     `node <args>`, with the Node that the service would get, after a build
#   sh .tools/launch.sh format [args]  rewrites the source files as the formatter wants them
#   sh .tools/launch.sh flags          prints the flags that the service's Node is started with
#
# Progress and errors go to stderr. When everything is in place, nothing is said and nothing but ./var is written.
set -euf

# No JIT, as under systemd, where no memory may be both writable and executable; and a small heap.
node_flags='--jitless --max-semi-space-size=4 --max-old-space-size=48'
oldest_node=26

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

say() { printf 'launch: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# npm puts node_modules/.bin first on PATH, and a `node` lies there that may not run on this machine at all.
found=
IFS=:
for dir in $PATH; do
  case $dir in '' | */node_modules/.bin) ;; *) found=$found:$dir ;; esac
done
unset IFS
PATH=${found#:}
export PATH

# --- children -------------------------------------------------------------------------------------------------------

# Runs a command so that a signal to this script ends the command too; a shell by itself would leave it behind.
child=
supervise() {
  "$@" &
  child=$!
  status=0
  wait "$child" || status=$?
  child=
  return "$status"
}
interrupted() {
  trap '' HUP INT TERM
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null || :
    wait "$child" 2>/dev/null || :
  fi
  exit "$1"
}
trap 'interrupted 129' HUP
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# One install or build at a time. The kernel frees the lock when its holder and the holder's children are gone, however
# they went, so it is never stale.
lock() {
  exec 9>.tools/.lock
  command -v flock >/dev/null || return 0
  flock -n 9 && return 0
  say 'another one is installing or building here; waiting for it'
  supervise flock 9
}
unlock() { exec 9>&-; }

# --- packages -------------------------------------------------------------------------------------------------------

packages_wanted() { { cat package-lock.json .npmrc; uname -m; } | cksum; }
packages_present() { [ "$(cat node_modules/.installed 2>/dev/null)" = "$(packages_wanted)" ]; }

install_packages() {
  command -v npm >/dev/null || fail 'npm is not on PATH. Install Node.js (20 or newer) with npm, then try again.'
  say 'installing packages (npm ci)'
  rm -f node_modules/.installed
  wanted=$(packages_wanted)

  cache=${npm_config_cache:-${HOME:-/dev/null}/.npm}
  own_cache=
  if ! { mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null; then
    own_cache=$(mktemp -d) # a home that cannot be written to is no reason to fail
    export npm_config_cache="$own_cache"
  fi
  # The linter, the tests and the bundled Node are dev and optional packages, whatever NODE_ENV or npm's settings say.
  # That the Node which runs npm is older than what the packages ask for does not matter: they are run by another one.
  installed=0
  supervise npm ci --ignore-scripts --include=dev --include=optional --no-fund --no-audit --loglevel=error >&2 || installed=$?
  [ -z "$own_cache" ] || rm -rf "$own_cache"
  [ "$installed" = 0 ] || fail "npm ci failed (exit $installed); what it said stands above. Nothing was started. Needs: the npm registry within reach, about 450 MB of disk, package.json and package-lock.json that agree."
  printf '%s\n' "$wanted" >node_modules/.installed
}

# --- Node -----------------------------------------------------------------------------------------------------------

# Prints the version of a Node binary, or what it said instead of running; fails unless it runs and is new enough.
version_of() {
  answer=$(NODE_OPTIONS='' "$1" -p process.versions.node 2>&1) || {
    printf '%s' "$answer"
    return 1
  }
  printf '%s' "$answer"
  [ "${answer%%.*}" -ge "$oldest_node" ] 2>/dev/null
}

# Sets `node`, and puts it first on PATH so that whatever is started from here finds the same one.
find_node() {
  node=
  seen=
  before=
  IFS=:
  for dir in $PATH; do
    [ -x "$dir/node" ] || continue
    [ ! "$dir/node" -ef "${before:-/}" ] || continue # /bin is often /usr/bin
    before=$dir/node
    if answer=$(version_of "$before"); then
      node=$before
      break
    fi
    seen="$seen $before ($answer)"
  done
  unset IFS
  if [ -z "$node" ]; then
    case $(uname -m) in x86_64 | amd64) arch=x64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=unknown ;; esac
    bundled=$root/node_modules/node-linux-$arch/bin/node
    if [ ! -e "$bundled" ]; then
      no_node "no Node is bundled for $(uname -s) on $(uname -m), only for Linux on x86_64 and aarch64."
    fi
    answer=$(version_of "$bundled") || explain "$answer"
    node=$bundled
  fi
  PATH=$(dirname -- "$node"):$PATH
  export PATH
}

explain() {
  case $1 in
    *libatomic.so.1*) no_node 'the bundled Node needs the library libatomic.so.1. Debian, Ubuntu: apt-get install libatomic1. Fedora, RHEL: dnf install libatomic.' ;;
    *libstdc++.so.6*cannot\ open* | *libgcc_s.so.1*) no_node 'the bundled Node needs the C++ library. Debian, Ubuntu: apt-get install libstdc++6. Fedora, RHEL: dnf install libstdc++.' ;;
    *GLIBC_* | *GLIBCXX_*) no_node "the bundled Node needs glibc 2.28 or newer (and better-sqlite3 2.34); this system is too old for it ($1)." ;;
    *[Nn]ot\ found* | *No\ such\ file*) no_node 'the bundled Node is made for glibc, and this system has none (Alpine and others use musl). Use a glibc system, such as Debian.' ;;
    *[Pp]ermission\ denied*) no_node "the bundled Node may not be executed: a file system mounted noexec? ($1)." ;;
    *) no_node "the bundled Node does not run ($1)." ;;
  esac
}
no_node() {
  say "no Node that is new enough runs here ($oldest_node or newer is needed)"
  [ -z "$seen" ] || say "on PATH:$seen"
  fail "$1 Or put a Node $oldest_node of your own on PATH."
}

# A Node that runs may still fail to load SQLite, which asks for a newer glibc. Better said here than by a stack trace.
check_sqlite() {
  [ ! -e node_modules/.sqlite-loads ] || return 0
  answer=$(node -e "new (require('better-sqlite3'))(':memory:').close()" 2>&1) || case $answer in
    *GLIBC_*) fail 'better-sqlite3 needs glibc 2.34 or newer (Debian 12, Ubuntu 22.04, RHEL 9); this system has an older one.' ;;
    *) fail "better-sqlite3 cannot be loaded: $answer" ;;
  esac
  : >node_modules/.sqlite-loads
}

# --- dist -----------------------------------------------------------------------------------------------------------

# By content, not by time: a checkout, a copy or an unpacked archive may leave new text with an old date.
build_wanted() {
  {
    find src -type f -exec cksum {} + | LC_ALL=C sort -k3
    cat tsconfig.json .tsconfig.build.json package.json package-lock.json
  } | cksum
}
build_present() { [ "$(cat dist/.built 2>/dev/null)" = "$(build_wanted)" ]; }

build() {
  say 'compiling src'
  rm -rf dist.new dist.old
  wanted=$(build_wanted)
  supervise node node_modules/typescript/bin/tsc -p .tsconfig.build.json --outDir dist.new >&2 ||
    fail 'src does not compile; what the compiler said stands above. Nothing was started, dist is as it was.'
  printf '%s\n' "$wanted" >dist.new/.built
  # Whole or not at all, so that a service that is starting or running never sees half of it.
  [ ! -e dist ] || mv dist dist.old
  mv dist.new dist
  rm -rf dist.old
}

prepare() {
  if ! packages_present; then
    lock
    packages_present || install_packages
    unlock
  fi
  find_node
  check_sqlite
}
prepare_and_build() {
  prepare
  if ! build_present; then
    lock
    build_present || build
    unlock
  fi
}

# --- start ----------------------------------------------------------------------------------------------------------

# Makes a token where there is none. The file appears whole or not at all, and is never readable by others.
make_token() {
  [ ! -e "$1" ] || return 0
  (
    umask 077
    token=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    [ "${#token}" = 64 ] && printf '%s' "$token" >"$1.$$" || exit 1
    ln "$1.$$" "$1" 2>/dev/null || [ -e "$1" ] # of two that start at the same time, the first one's token stands
    rm -f "$1.$$"
  ) || fail "cannot write the service token $1"
}

quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

banner() {
  case $BIND_ADDR in
    0.0.0.0:* | '*:'* | :[0-9]*) address=127.0.0.1:${BIND_ADDR##*:} ;;
    '[::]:'*) address="[::1]:${BIND_ADDR##*:}" ;;
    *) address=$BIND_ADDR ;;
  esac
  if [ -n "${SERVICE_TOKEN_PATH:-}" ]; then
    where="the token is in $SERVICE_TOKEN_PATH"
    bearer="\$(cat $(quote "$SERVICE_TOKEN_PATH"))"
  else
    where="the tokens' hashes are in $TOKENS_PATH; put a token of yours in TOKEN"
    bearer="\$TOKEN"
  fi
  cat >&2 <<BANNER

  Incident Recorder on http://$address ($where)

  Report an incident:
    curl -sS -H "Authorization: Bearer $bearer" -H 'Content-Type: application/json' -d '{"class":"prompt_injection","source":"my-agent-monitor","description":"An instruction was hidden in a web page"}' 'http://$address/api/v1/incidents/report'
  List the incidents:
    curl -sS -H "Authorization: Bearer $bearer" 'http://$address/api/v1/incidents'

BANNER
}

start() {
  { mkdir -p -m 0700 var && chmod 0700 var; } || fail "cannot make the data folder $root/var"
  : "${BIND_ADDR:=127.0.0.1:8515}"
  : "${CONTAINMENT_POLICY_PATH:=$root/policy/incident-containment.yaml}"
  : "${AUDIT_LOG_PATH:=$root/var/audit.jsonl}"
  : "${SECRETS_DIR:=$root/var/secrets}"
  : "${DATABASE_PATH:=$root/var/incidents.db}"
  : "${CHECKPOINT_KEY_PATH:=$root/var/checkpoint.key}"
  export BIND_ADDR CONTAINMENT_POLICY_PATH AUDIT_LOG_PATH DATABASE_PATH CHECKPOINT_KEY_PATH SECRETS_DIR
  if [ -z "${SERVICE_TOKEN_PATH:-}${TOKENS_PATH:-}" ]; then
    export SERVICE_TOKEN_PATH="$root/var/service-token"
    make_token "$SERVICE_TOKEN_PATH"
  fi
  banner
  # shellcheck disable=SC2086 # the flags are words
  exec node $node_flags dist/main.js "$@"
}

# --- sandbox --------------------------------------------------------------------------------------------------------

# They boot a systemd of their own, for which they need root and what a Debian host has.
needs_systemd() { # what is skipped where it is missing
  PATH=$PATH:/usr/sbin:/sbin
  missing=
  [ "$(id -u)" = 0 ] || missing=' root'
  [ -x /lib/systemd/systemd ] || missing="$missing systemd"
  for tool in dbus-daemon:dbus nsenter:util-linux ip:iproute2 curl:curl; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
  done
  if [ -n "$missing" ]; then
    say "SKIPPED: $1. Missing here:$missing. It needs root and, of Debian: apt-get install systemd dbus util-linux iproute2 curl"
    exit 0
  fi
}

# --- check ----------------------------------------------------------------------------------------------------------

# Runs one check. Its output is shown when it failed.
check_one() {
  name=$1
  shift
  if supervise "$@" >"$report" 2>&1; then
    printf 'ok      %s\n' "$name"
    passed=$((passed + 1))
  else
    printf 'FAILED  %s\n' "$name"
    cat "$report"
    failed=$((failed + 1))
  fi
}
check() {
  passed=0
  failed=0
  report=$(mktemp)
  trap 'rm -f "$report"' EXIT
  check_one 'types (tsc)' node node_modules/typescript/bin/tsc --noEmit
  check_one 'lint (oxlint)' env -u CI node node_modules/oxlint/bin/oxlint --type-aware --deny-warnings
  check_one 'format (oxfmt)' node node_modules/oxfmt/bin/oxfmt --check
  check_one 'dead code (knip)' node node_modules/knip/bin/knip.js --config .knip.json
  check_one 'floors (test/house.test.ts)' node node_modules/vitest/vitest.mjs run --config=.vitest.config.ts test/house.test.ts
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
}

# --------------------------------------------------------------------------------------------------------------------

verb=${1:-}
[ $# = 0 ] || shift
case $verb in
  start) prepare_and_build; start "$@" ;;
  test) prepare_and_build; exec node .tools/test.ts "$@" ;;
  sandbox) prepare_and_build; needs_systemd 'the sandbox was not tested'; exec node .tools/test.ts --sandbox "$@" ;;
  check) prepare; check ;;
  bench) prepare_and_build; exec node test/bench/main.ts "$@" ;;
  bench-sandbox)
    prepare_and_build
    case " $* " in *' --profile '*) ;; *) needs_systemd 'the sandbox was not measured' ;; esac
    exec node test/bench/sandbox/main.ts "$@"
    ;;
  build) prepare_and_build ;;
  release) prepare; exec node .tools/release.ts "$@" ;;
  run) prepare_and_build; exec node "$@" ;;
  # Paths that the operator gives are meant from where npm was called.
  cli) prepare_and_build; cd "${INIT_CWD:-$root}"; exec node --max-semi-space-size=2 "$root/dist/cli.js" "$@" ;;
  format) prepare; exec node node_modules/oxfmt/bin/oxfmt "$@" ;;
  flags) printf '%s\n' "$node_flags" ;;
  *)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac
