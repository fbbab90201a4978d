#!/usr/bin/env bash
# A real systemd as PID 1 of namespaces of its own, on an overlay of this machine's root: nothing outside is touched, and all is gone afterwards.
#
#   box.sh up          boots it, in about half a second
#   box.sh run CMD…    runs CMD in it
#   box.sh root        prints the path of its root as seen from outside
#   box.sh down        ends it
#
# Needs root, systemd, dbus, util-linux, iproute2 and overlayfs. BOX names it (default: box); its state is /run/BOX. What lies at MOUNT (a folder) is
# seen in it at /opt/given, and cannot be changed there. What is written in it is in memory, and counts as memory of whoever writes it; given DISK,
# an empty folder of a real disk, /usr/lib and the state of services are there instead.
set -euo pipefail

name=${BOX:-box}
state=/run/$name
controllers='cpu cpuacct memory pids devices'

fail() {
  printf 'box: %s\n' "$*" >&2
  exit 1
}
inside() { nsenter -t "$(cat "$state/pid")" -m -p -n -u -i -C -r -w -- "$@"; }

up() {
  [ "$(id -u)" = 0 ] || fail 'only root can boot it'
  [ -x /lib/systemd/systemd ] || fail 'systemd is missing: apt-get install systemd dbus'
  [ ! -e "$state/pid" ] || fail "it is up already ($state/pid)"
  mkdir -p "$state"
  mode=hybrid
  [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ] || mode=unified

  # In a cgroup of its own, which is the root of those that its systemd makes.
  (
    if [ $mode = unified ]; then
      mkdir -p "/sys/fs/cgroup/$name"
      for each in cpu memory pids; do echo "+$each" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || :; done
      echo $BASHPID >"/sys/fs/cgroup/$name/cgroup.procs"
    else
      for each in $controllers systemd unified; do
        mkdir -p "/sys/fs/cgroup/$each/$name"
        echo $BASHPID >"/sys/fs/cgroup/$each/$name/cgroup.procs"
      done
    fi
    export BOX="$name" MODE="$mode" MOUNT="${MOUNT:-}" DISK="${DISK:-}"
    exec setsid unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup bash "$0" become
  ) >"$state/console.log" 2>&1 </dev/null &
  outside=$!
  echo $outside >"$state/outside.pid"

  local pid i
  for i in $(seq 400); do
    pid=$(tr -d ' ' <"/proc/$outside/task/$outside/children" 2>/dev/null) || :
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ]; then
      echo "$pid" >"$state/pid"
      case $(inside systemctl is-system-running 2>/dev/null || :) in running | degraded) return 0 ;; esac
    fi
    kill -0 $outside 2>/dev/null || { cat "$state/console.log" >&2; fail 'systemd did not start'; }
    sleep 0.05
  done
  cat "$state/console.log" >&2
  fail 'systemd did not come up in time'
}

# Within the namespaces: builds the root, moves into it, and becomes systemd.
become() {
  mount --make-rprivate /
  local mnt=$state/mnt root=$state/mnt/root each
  mkdir -p "$mnt"
  mount -t tmpfs tmpfs "$mnt" -o mode=755
  mkdir -p "$mnt/upper" "$mnt/work" "$root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$mnt/upper,workdir=$mnt/work" "$root"
  if [ -n "${DISK:-}" ]; then
    mkdir "$DISK/lib" "$DISK/work"
    mount -t overlay overlay -o "lowerdir=/usr/lib,upperdir=$DISK/lib,workdir=$DISK/work" "$root/usr/lib"
  fi
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys" # the machine's own
  mount -t sysfs sysfs "$root/sys" -o ro,nosuid,nodev,noexec
  mount -t tmpfs tmpfs "$root/dev" -o mode=755
  for each in null zero full random urandom tty; do
    touch "$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t tmpfs tmpfs "$root/dev/shm" -o mode=1777
  mount -t tmpfs tmpfs "$root/run" -o mode=755
  mount -t tmpfs tmpfs "$root/tmp" -o mode=1777
  if [ "$MODE" = unified ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" -o nsdelegate || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  else
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup" -o mode=755
    for each in $controllers systemd unified; do mkdir "$root/sys/fs/cgroup/$each"; done
    for each in $controllers; do mount -t cgroup cgroup "$root/sys/fs/cgroup/$each" -o "$each"; done
    mount -t cgroup cgroup "$root/sys/fs/cgroup/systemd" -o none,name=systemd
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
  fi
  mkdir -p "$root/opt/given"
  [ -z "${MOUNT:-}" ] || { mount --bind "$MOUNT" "$root/opt/given" && mount -o remount,bind,ro "$root/opt/given"; }
  mount -t bpf bpf "$root/sys/fs/bpf" 2>/dev/null || :
  ip link set lo up

  # Nothing of the machine's is started, and no trace of an installation is there.
  rm -rf "$root/etc/systemd/system" "$root/usr/lib/incident-recorder" "$root/etc/secure-ai" "$root/var/lib/secure-ai" "$root/var/lib/private"
  [ -z "${DISK:-}" ] || { mkdir -m 700 "$DISK/state" "$root/var/lib/private" && mount --bind "$DISK/state" "$root/var/lib/private"; }
  mkdir -p "$root/etc/systemd/system" "$root/etc/systemd/journald.conf.d"
  : >"$root/etc/fstab"
  : >"$root/etc/machine-id"
  for each in systemd-{sysctl,modules-load,remount-fs,update-utmp,udevd,udev-trigger,journal-flush,sysusers,random-seed,firstboot,machine-id-commit,hwdb-update}.service \
    systemd-{timesyncd,networkd,resolved,tmpfiles-setup-dev,pcrphase,pcrphase-sysinit,boot-system-token,journal-catalog-update,update-done,pstore,binfmt}.service \
    ldconfig.service kmod-static-nodes.service dev-hugepages.mount dev-mqueue.mount sys-kernel-{debug,tracing,config}.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount systemd-udevd-{control,kernel}.socket systemd-journald-audit.socket; do
    ln -s /dev/null "$root/etc/systemd/system/$each"
  done
  printf '[Journal]\nStorage=volatile\nReadKMsg=no\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf.d/box.conf"
  cat >"$root/etc/systemd/system/box.target" <<'UNIT'
[Unit]
Description=box
Requires=systemd-journald.service dbus.socket
After=systemd-journald.service dbus.socket
AllowIsolate=yes
UNIT
  # A root that is moved into and shared: credentials and private mounts of services rely on it.
  mount --make-private "$mnt"
  mkdir -p "$root/mnt"
  cd "$root"
  pivot_root . mnt
  umount -l /mnt
  mount --make-rshared /
  exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_LOG_LEVEL=notice chroot . /lib/systemd/systemd --system --unit=box.target --log-target=console --show-status=false
}

gone() { # pid, twentieths of a second
  local i
  for i in $(seq "$2"); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.05; done
  return 1
}
down() {
  if [ -e "$state/pid" ]; then
    local pid
    pid=$(cat "$state/pid")
    kill -s RTMIN+14 "$pid" 2>/dev/null || : # halt, whatever still runs
    gone "$pid" 60 || kill -9 "$pid" 2>/dev/null || :
  fi
  [ ! -e "$state/outside.pid" ] || gone "$(cat "$state/outside.pid")" 40 || :
  local each
  for each in $controllers systemd unified .; do
    [ ! -d "/sys/fs/cgroup/$each/$name" ] || find "/sys/fs/cgroup/$each/$name" -depth -type d -exec rmdir {} + 2>/dev/null || :
  done
  rm -rf --one-file-system "$state"
}

case ${1:-} in
  up) up ;;
  become) become ;;
  run) shift; inside "$@" ;;
  root) echo "/proc/$(cat "$state/pid")/root" ;;
  down) down ;;
  *) sed -n 's/^#   //p' "$0" >&2; exit 2 ;;
esac
