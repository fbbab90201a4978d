// The process of the service in a made-up /proc: what is read of it, and what is left open where it may not be read.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupBounds } from '../../src/cli/doctor-cgroup.ts';
import { isListenedOnBy } from '../../src/cli/doctor-listener.ts';
import { readProcess } from '../../src/cli/doctor-process.ts';
import { environmentOf } from '../../src/cli/doctor-systemd.ts';
import { mountsIn } from '../../src/sandbox/kernel-files.ts';

let proc = '';
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'proc-'));
});
afterEach(() => rmSync(proc, { recursive: true, force: true }));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(proc, path)), { recursive: true });
  writeFileSync(join(proc, path), text);
}
function link(path: string, to: string): void {
  mkdirSync(dirname(join(proc, path)), { recursive: true });
  symlinkSync(to, join(proc, path));
}

describe('a process', () => {
  it('is read from its files', () => {
    file('7/status', 'Uid:\t62467\t62467\t62467\t62467\nSeccomp:\t2\n');
    file('7/mountinfo', '1 0 0:1 / / ro - ext4 /dev/vda rw\n');
    file('7/limits', 'Max open files            512                  512                  files\n');
    file('7/maps', '55d0-55d1 r-xp 0 0:0 1 /a\n');
    file('7/cmdline', '/bin/node\0--jitless\0main.js\0');
    file('7/environ', 'AUDIT_LOG_PATH=/var/lib/x/audit.jsonl\0EMPTY=\0');
    file('7/cgroup', '0::/system.slice/a.service\n');
    file('self/mountinfo', '');
    link('7/ns/net', 'net:[1]');
    link('self/ns/net', 'net:[1]');
    link('7/ns/user', 'user:[2]');
    link('self/ns/user', 'user:[3]');
    link('7/exe', process.execPath);
    const read = readProcess(7, proc);
    expect(read).toMatchObject({
      ...{
        pid: 7,
        status: { uids: [62467, 62467, 62467, 62467] },
        mounts: [{ point: '/' }],
        command: ['/bin/node', '--jitless', 'main.js'],
      },
      ...{ env: { AUDIT_LOG_PATH: '/var/lib/x/audit.jsonl', EMPTY: '' } },
      ...{ bounds: { memory: null, cpu: null, tasks: null }, exe: { path: process.execPath, isOurs: true } },
    });
    expect(read?.limits?.get('Max open files')).toEqual({ soft: 512, hard: 512 });
    expect([read?.isApart('net'), read?.isApart('user')]).toEqual([false, true]);
  });

  it('of which only the status may be read is open in all else', () => {
    file('7/status', 'Uid:\t1\t1\t1\t1\n');
    const read = readProcess(7, proc);
    expect(read).toMatchObject({ mounts: null, limits: null, maps: null, command: null, env: null, bounds: null, exe: null, host: [] });
    expect(read?.isApart('net')).toBeNull();
  });

  it('that has ended is none', () => {
    expect(readProcess(7, proc)).toBeNull();
  });
});

describe('the environment that a unit gives', () => {
  it('is read word by word, as systemd quotes it', () => {
    const of = (text: string) => environmentOf(new Map([['Environment', text]]));
    expect(of('A=1 "READ=/a /b -/c" B= C="x" "D=say \\"hi\\" \\$you"')).toEqual({
      ...{ A: '1', READ: '/a /b -/c', B: '', C: '"x"', D: 'say "hi" $you' },
    });
    expect(of("$'E=it\\'s'")).toEqual({ E: "it's" });
    expect(of('')).toEqual({});
    expect(environmentOf(new Map())).toEqual({});
  });
});

describe('control groups', () => {
  const V2 = '31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw';
  const V1 = ['memory', 'cpu,cpuacct', 'pids'].map((name, i) => `4${i} 23 0:3${i} / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}`);
  const bounds = (groups: string, mounts: readonly string[], files: Record<string, string>) =>
    groupBounds(groups, mountsIn(mounts.join('\n')), (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`no ${path}`);
      return text;
    });
  const AT = '/sys/fs/cgroup/system.slice/a.service';

  it('of version 2', () => {
    const files = { [`${AT}/memory.max`]: '134217728\n', [`${AT}/cpu.max`]: '10000 100000\n', [`${AT}/pids.max`]: '32\n' };
    expect(bounds('0::/system.slice/a.service\n', [V2], files)).toEqual({ memory: 134_217_728, cpu: 0.1, tasks: 32 });
    const none = { [`${AT}/memory.max`]: 'max\n', [`${AT}/cpu.max`]: 'max 100000\n', [`${AT}/pids.max`]: 'max\n' };
    expect(bounds('0::/system.slice/a.service\n', [V2], none)).toEqual({ memory: Infinity, cpu: Infinity, tasks: Infinity });
  });

  const HYBRID = '8:pids:/system.slice/a.service\n4:memory:/system.slice/a.service\n2:cpu,cpuacct:/system.slice/a.service\n0::/elsewhere\n';
  const v1 = (name: string) => `/sys/fs/cgroup/${name}/system.slice/a.service`;

  it('of version 1, whatever is in version 2 beside', () => {
    const files = {
      [`${v1('memory')}/memory.limit_in_bytes`]: '134217728\n',
      [`${v1('cpu,cpuacct')}/cpu.cfs_quota_us`]: '10000\n',
      [`${v1('cpu,cpuacct')}/cpu.cfs_period_us`]: '100000\n',
      [`${v1('pids')}/pids.max`]: '32\n',
    };
    expect(bounds(HYBRID, [...V1, V2], files)).toEqual({ memory: 134_217_728, cpu: 0.1, tasks: 32 });
    const none = {
      ...files,
      [`${v1('memory')}/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`${v1('cpu,cpuacct')}/cpu.cfs_quota_us`]: '-1\n',
      [`${v1('pids')}/pids.max`]: 'max\n',
    };
    expect(bounds(HYBRID, [...V1, V2], none)).toEqual({ memory: Infinity, cpu: Infinity, tasks: Infinity });
  });

  it('are found below what is mounted of them', () => {
    const mounted = '31 23 0:27 /machine /sys/fs/cgroup rw - cgroup2 cgroup2 rw';
    expect(bounds('0::/machine/a.service\n', [mounted], { '/sys/fs/cgroup/a.service/pids.max': '32' })).toMatchObject({ tasks: 32 });
    expect(bounds('0::/other/a.service\n', [mounted], { '/sys/fs/cgroup/a.service/pids.max': '32' })).toMatchObject({ tasks: null });
  });

  it('that cannot be read, or are told as they should not be, say nothing', () => {
    const nothing = { memory: null, cpu: null, tasks: null };
    expect(bounds(HYBRID, [...V1, V2], {})).toEqual(nothing);
    expect(bounds(HYBRID, [], {})).toEqual(nothing);
    expect(bounds('', [V2], {})).toEqual(nothing);
    expect(bounds('0::/a\n', [V2], { '/sys/fs/cgroup/a/cpu.max': '10000', '/sys/fs/cgroup/a/pids.max': 'many' })).toEqual(nothing);
  });
});

describe('a port', () => {
  const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const row = (address: string, state: string, inode: number) =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 62467        0 ${inode} 1 0 100 0 0 10 0\n`;

  it('is the process’s own when one of its descriptors listens there', () => {
    file('self/net/tcp', HEAD + row('0100007F:2143', '0A', 11) + row('0100007F:2143', '01', 12));
    file('self/net/tcp6', HEAD + row('00000000000000000000000001000000:2144', '0A', 13));
    link('7/fd/0', '/dev/null');
    link('7/fd/17', 'socket:[11]');
    link('7/fd/18', 'socket:[13]');
    link('8/fd/3', 'socket:[12]');
    expect([8515, 8516, 8517].map((port) => isListenedOnBy(7, port, proc))).toEqual([true, true, false]);
    expect(isListenedOnBy(8, 8515, proc)).toBe(false);
  });

  it('may be anybody’s when the descriptors may not be looked at', () => {
    file('self/net/tcp', HEAD + row('0100007F:2143', '0A', 11));
    expect(isListenedOnBy(7, 8515, proc)).toBeNull();
  });
});
