// Each layer of the sandbox alone: what may be done without it, and is denied by its lines of the shipped unit and nothing else.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Box, GIVEN, bootBox } from './box.ts';
import { NODE, linesOf, probe } from './units.ts';

let box: Box;
beforeAll(() => {
  box = bootBox();
  box.sh(`sh ${GIVEN}/release/install.sh --no-start`);
  // Another host, in a network namespace of its own, and somebody who answers there and here.
  box.sh('ip netns add outside && ip link add here type veth peer name there netns outside');
  box.sh('ip addr add 198.51.100.1/24 dev here && ip link set here up');
  box.sh('ip -n outside addr add 198.51.100.7/24 dev there && ip -n outside link set there up');
  const listen = `${NODE} -e "require('node:net').createServer((s) => s.end()).listen(7777, '0.0.0.0')"`;
  box.sh(
    `systemd-run --quiet --unit=here ${listen}; systemd-run --quiet --unit=there --property=NetworkNamespacePath=/run/netns/outside ${listen}`,
  );
  // Files that the mount namespace is to hide, and one that only root may read.
  box.sh(
    'mkdir -p /home/someone /srv/data /root && echo x | tee /home/someone/file /srv/data/file /root/file /tmp/of-the-host /etc/readable > /dev/null',
  );
  box.sh('touch /var/lib/of-root && chmod 600 /var/lib/of-root');
  box.sh('mknod /dev/of-the-host c 1 3; mknod /dev/kernel-log c 1 11');
});
afterAll(() => box[Symbol.dispose]());

interface Row {
  layer: string;
  /** The settings of the unit that are the layer. */
  settings: readonly string[];
  what: string;
  denied: string | RegExp;
}

const ROWS: readonly Row[] = [
  { layer: 'a dynamic user', settings: ['DynamicUser'], what: 'read /var/lib/of-root', denied: 'EACCES' },
  { layer: 'ProtectSystem', settings: ['ProtectSystem'], what: 'write /etc/new', denied: 'EROFS' },
  { layer: 'ProtectSystem', settings: ['ProtectSystem'], what: 'write /var/lib/new', denied: 'EROFS' },
  {
    layer: 'what may be executed, under ProtectSystem,',
    settings: ['ProtectSystem', 'NoExecPaths', 'ExecPaths', 'BindReadOnlyPaths'],
    what: 'write /usr/lib/new',
    denied: 'EROFS',
  },
  { layer: 'ProtectHome', settings: ['ProtectHome'], what: 'list /home', denied: /EACCES|EMPTY/ },
  { layer: 'ProtectHome', settings: ['ProtectHome'], what: 'read /root/file', denied: /EACCES|ENOENT/ },
  { layer: 'ReadOnlyPaths', settings: ['ReadOnlyPaths'], what: 'write /etc/secure-ai/new', denied: 'EROFS' },
  { layer: 'TemporaryFileSystem', settings: ['TemporaryFileSystem', 'BindReadOnlyPaths'], what: 'write /run/new', denied: 'EROFS' },
  { layer: 'InaccessiblePaths', settings: ['InaccessiblePaths'], what: 'write /dev/shm/new', denied: 'EROFS' },
  { layer: 'InaccessiblePaths', settings: ['InaccessiblePaths'], what: 'list /srv', denied: /EACCES|EMPTY/ },
  {
    layer: 'TemporaryFileSystem',
    settings: ['TemporaryFileSystem', 'BindReadOnlyPaths'],
    what: 'meet /run/systemd/journal/stdout',
    denied: 'ENOENT',
  },
  { layer: 'PrivateTmp', settings: ['PrivateTmp'], what: 'read /tmp/of-the-host', denied: 'ENOENT' },
  { layer: 'PrivateDevices', settings: ['PrivateDevices'], what: 'read /dev/of-the-host', denied: 'ENOENT' },
  { layer: 'DevicePolicy', settings: ['DevicePolicy'], what: 'open /dev/kernel-log', denied: 'EPERM' },
  { layer: 'ProtectProc', settings: ['ProtectProc', 'DynamicUser'], what: 'list /proc/1/task', denied: 'ENOENT' },
  { layer: 'ProcSubset', settings: ['ProcSubset'], what: 'read /proc/version', denied: 'ENOENT' },
  { layer: 'NoExecPaths', settings: ['NoExecPaths', 'ExecPaths'], what: 'execute /bin/true', denied: 'EACCES' },
  { layer: 'NoExecPaths', settings: ['NoExecPaths', 'ExecPaths'], what: 'bring /tmp/brought', denied: 'EACCES' },
  { layer: 'ProtectControlGroups', settings: ['ProtectControlGroups'], what: 'make /sys/fs/cgroup/systemd/new', denied: 'EROFS' },
  { layer: 'capabilities', settings: ['CapabilityBoundingSet'], what: 'own /run/new', denied: 'EPERM' },
  { layer: 'RestrictSUIDSGID', settings: ['RestrictSUIDSGID'], what: 'setuid /run/new', denied: 'EPERM' },
  { layer: 'RestrictNamespaces', settings: ['RestrictNamespaces'], what: 'execute /usr/bin/unshare_-n_true', denied: 'EXIT 1' },
  { layer: 'LockPersonality', settings: ['LockPersonality'], what: 'execute /usr/bin/setarch_-R_true', denied: 'EXIT 1' },
  { layer: 'ProtectHostname', settings: ['ProtectHostname'], what: 'execute /bin/hostname_other', denied: 'EXIT 1' },
  { layer: 'ProtectKernelLogs', settings: ['ProtectKernelLogs'], what: 'execute /bin/dmesg', denied: 'EXIT 1' },
  { layer: 'PrivateUsers', settings: ['PrivateUsers'], what: 'own /run/new', denied: 'EINVAL' },
  { layer: 'the calls that systemd filters', settings: ['SystemCallFilter', 'SystemCallErrorNumber'], what: 'priority', denied: 'EPERM' },
  { layer: 'RestrictAddressFamilies', settings: ['RestrictAddressFamilies'], what: 'listen ::1_0', denied: 'EAFNOSUPPORT' },
  { layer: 'IPAddressDeny', settings: ['IPAddressDeny', 'IPAddressAllow'], what: 'connect 198.51.100.7_7777', denied: /SILENCE|EPERM/ },
  { layer: 'LimitNOFILE', settings: ['LimitNOFILE'], what: 'files 600', denied: 'EMFILE' },
  { layer: 'TasksMax', settings: ['TasksMax'], what: 'tasks 60', denied: 'EAGAIN' },
];

const CLEAN =
  'rm -f /run/new /run/link /etc/new /var/lib/new /etc/secure-ai/new /usr/lib/new /dev/shm/new /tmp/brought; rmdir /sys/fs/cgroup/systemd/new 2>/dev/null || true';

describe.each(ROWS)('$layer: $what', ({ settings, what, denied }) => {
  it('is denied by the layer, and by nothing where it is not', () => {
    box.sh(CLEAN);
    expect(probe(box, [], what)).toMatchObject({ told: 'ok' });
    box.sh(CLEAN);
    const { told } = probe(box, linesOf(settings), what);
    if (typeof denied === 'string') expect(told).toBe(denied);
    else expect(told).toMatch(denied);
  });
});

describe('MemoryDenyWriteExecute', () => {
  const alone = linesOf(['MemoryDenyWriteExecute']);

  it('ends a Node that makes machine code, and leaves one that does not', () => {
    expect(probe(box, [], 'nothing')).toMatchObject({ told: 'ok', result: 'success' });
    expect(probe(box, alone, 'nothing')).toMatchObject({ told: '', result: expect.stringMatching(/signal|core-dump/) });
    expect(probe(box, alone, 'nothing', ['--jitless'])).toMatchObject({ told: 'ok', result: 'success' });
  });
});

describe('MemoryMax', () => {
  it('ends who takes more, before the host is short of it', () => {
    expect(probe(box, [], 'allocate 200')).toMatchObject({ told: 'ok', result: 'success' });
    expect(probe(box, linesOf(['MemoryMax', 'MemorySwapMax']), 'allocate 200')).toMatchObject({
      told: '',
      result: expect.stringMatching(/oom-kill|signal/), // with cgroups of version 1 systemd does not hear why
    });
  });
});

describe('CPUQuota', () => {
  it('leaves a tenth of a CPU', () => {
    const free = probe(box, [], 'burn 3000').cpu_ms;
    const held = probe(box, linesOf(['CPUQuota']), 'burn 3000').cpu_ms;
    expect(free).toBeGreaterThan(1_000);
    expect(held).toBeLessThan(700);
  });
});

describe('our own two layers, put in force by the launcher under a unit that has no line beside', () => {
  const launcher = [NODE, '--experimental-ffi', '--no-warnings', '/usr/lib/incident-recorder/lib/launch.js'];
  const reach =
    'Environment="SANDBOX_READ=/usr/lib/incident-recorder /opt/given" BIND_ADDR=127.0.0.1:8515 CONTAINMENT_POLICY_PATH=/opt/given/inside/policy.yaml';
  const landlock = [reach, 'Environment=SANDBOX_SECCOMP=off'];
  const seccomp = [reach, 'Environment=SANDBOX_LANDLOCK=off'];
  const through = (settings: readonly string[], what: string) => probe(box, settings, what, ['--jitless'], launcher).told;

  it.each([
    ['read /etc/readable', 'EACCES'],
    ['write /run/new', 'EACCES'],
    ['execute /bin/true', 'EACCES'],
    ['connect 127.0.0.1_7777', 'EACCES'],
    ['listen 127.0.0.1_7778', 'EACCES'],
    ['listen 127.0.0.1_8515', 'ok'],
    ['read /usr/lib/incident-recorder/VERSION', 'ok'],
  ])('Landlock: %s, which no mount denies, is %s', (what, told) => {
    expect(probe(box, [], what).told).toBe('ok');
    expect(through(landlock, what)).toBe(told);
  });

  it.each([
    ['datagram', 'EPERM'],
    ['symlink /run/link', 'EPERM'],
    ['own /run/new', 'EPERM'],
    ['priority', 'EPERM'],
    ['execute /bin/true', 'EPERM'],
    ['read /etc/readable', 'ok'],
    ['connect 127.0.0.1_7777', 'ok'],
  ])('seccomp: %s, which no namespace denies, is %s', (what, told) => {
    box.sh(CLEAN);
    expect(probe(box, [], what).told).toBe('ok');
    box.sh(CLEAN);
    expect(through(seccomp, what)).toBe(told);
  });
});
