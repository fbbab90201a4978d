// What counts as a layer in force: each of them by the smallest difference between having it and not.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SHIPPED, boundOf } from '../../src/sandbox/bounds.ts';
import { JUDGED, type JudgedLayer, type ProcessFiles } from '../../src/sandbox/in-force.ts';
import { limitsIn, mountsIn, statusIn } from '../../src/sandbox/kernel-files.ts';
import { ROOT } from '../support/program.ts';

const OWN = '/var/lib/private/secure-ai/logs';
const STATUS = `Uid:	62467	62467	62467	62467\nCapEff:	0\nCapBnd:	0\nNoNewPrivs:	1\nSeccomp:	2\nSeccomp_filters:	2\n`;
const MOUNTS = `342 1 0:85 / / ro,noexec - ext4 /dev/vda rw
1001 342 0:93 / /run ro,noexec - tmpfs tmpfs rw
374 342 0:107 / /dev ro,noexec - tmpfs tmpfs rw
375 374 0:91 / /dev/pts rw - devpts devpts rw
359 342 0:93 /systemd/inaccessible/dir /home ro,noexec - tmpfs tmpfs rw
344 342 0:93 /systemd/inaccessible/dir /root ro,noexec - tmpfs tmpfs rw
343 342 0:108 / /proc rw,noexec - proc proc rw,hidepid=invisible,subset=pid
379 342 0:85 /usr/lib /usr/lib ro - ext4 /dev/vda rw
378 342 0:94 /systemd-private-ace2-incident-recorder.service-uoEWbT/tmp /tmp rw,noexec - tmpfs tmpfs rw
386 342 0:85 /var/tmp/systemd-private-ace2-incident-recorder.service-i23dOD/tmp /var/tmp rw,noexec - ext4 /dev/vda rw
384 342 0:85 ${OWN} ${OWN} rw,noexec - ext4 /dev/vda rw
`;
const LIMITS = `Max core file size        0                    0                    bytes\nMax open files            512                  512                  files\n`;
const TEXTS = { status: STATUS, mounts: MOUNTS, limits: LIMITS, maps: '55d0-55d1 r-xp 0 0:0 1 /a\n', command: 'node --jitless main.js' };
type Texts = typeof TEXTS;

function filesOf({ status, mounts, limits, maps, command }: Texts): ProcessFiles {
  return { status: statusIn(status), mounts: mountsIn(mounts), limits: limitsIn(limits), maps, command: command.split(' '), own: [OWN] };
}

const words = (files: ProcessFiles) =>
  Object.fromEntries((Object.keys(JUDGED) as JudgedLayer[]).map((layer) => [layer, JUDGED[layer](files)?.in_force ?? null]));
const LAYERS = Object.keys(JUDGED);
const all = (word: boolean | null) => Object.fromEntries(LAYERS.map((layer) => [layer, word]));

describe('a process in the whole cage', () => {
  it('has every layer in force', () => {
    expect(words(filesOf(TEXTS))).toEqual(all(true));
  });

  it.each<[string, Partial<Record<keyof Texts, [from: string, to: string]>>, JudgedLayer[], string]>([
    ['of root', { status: ['62467	62467	62467	62467', '0	0	0	0'] }, ['user'], 'root'],
    ['that can become root', { status: ['62467	62467	62467	62467', '62467	62467	0	62467'] }, ['user'], 'root'],
    ['with a capability', { status: ['CapEff:	0', 'CapEff:	2000'] }, ['capabilities'], 'CapEff 2000'],
    ['with one that it could get', { status: ['CapBnd:	0', 'CapBnd:	1'] }, ['capabilities'], 'CapBnd 1'],
    ['that may get new privileges', { status: ['NoNewPrivs:	1', 'NoNewPrivs:	0'] }, ['no_new_privileges'], 'NoNewPrivs 0'],
    ['without a filter', { status: ['Seccomp:	2', 'Seccomp:	0'] }, ['seccomp_filters'], 'no call is filtered'],
    ['with one filter only', { status: ['filters:	2', 'filters:	1'] }, ['seccomp_filters'], 'one filter'],
    ['whose system is writable', { mounts: [' / / ro', ' / / rw'] }, ['read_only_system'], 'mounted rw: /'],
    ['whose /run is writable', { mounts: [' / /run ro', ' / /run rw'] }, ['read_only_system'], 'mounted rw: /run'],
    [
      'whose libraries are writable',
      { mounts: ['/usr/lib ro', '/usr/lib rw'] },
      ['read_only_system', 'no_exec'],
      'may be written and executed from: /usr/lib',
    ],
    ['that may execute anything', { mounts: ['/ ro,noexec', '/ ro'] }, ['no_exec'], 'all of / may be executed'],
    ['that may execute what it writes', { mounts: [`${OWN} rw,noexec`, `${OWN} rw`] }, ['no_exec'], `from: ${OWN}`],
    [
      'that sees homes',
      { mounts: ['/systemd/inaccessible/dir /home ro,noexec - tmpfs tmpfs', '/home /home ro,noexec - ext4 /dev/vda'] },
      ['home'],
      'not hidden: /home',
    ],
    [
      'that shares /tmp',
      { mounts: ['/systemd-private-ace2-incident-recorder.service-uoEWbT/tmp /tmp', '/ /tmp'] },
      ['private_tmp'],
      '/tmp of the host',
    ],
    ['that sees other processes', { mounts: [',hidepid=invisible', ''] }, ['other_processes'], 'it sees those of others'],
    ['with code in memory', { maps: ['1 /a', '0'] }, ['made_code'], '1 times code that is made: 55d0-55d1 r-xp'],
    ['with writable code', { maps: ['r-xp', 'rwxp'] }, ['made_code'], '1 times code that is made: 55d0-55d1 rwxp'],
    ['with a JIT', { command: ['--jitless', '--lite'] }, ['jitless'], 'without --jitless'],
    ['with many files', { limits: ['512                  files', '4097                 files'] }, ['open_files'], '4097; shipped is 512'],
    [
      'that may dump its memory',
      { limits: ['0                    bytes', 'unlimited            bytes'] },
      ['core_dumps'],
      'one may be written',
    ],
  ])('%s is seen for exactly that', (_, changes, layers, seen) => {
    const texts = { ...TEXTS };
    for (const [file, [from, to]] of Object.entries(changes) as [keyof Texts, [string, string]][]) {
      expect(texts[file]).toContain(from);
      texts[file] = texts[file].replace(from, to);
    }
    const files = filesOf(texts);
    expect(words(files)).toEqual({ ...all(true), ...Object.fromEntries(layers.map((layer) => [layer, false])) });
    expect(JUDGED[layers.at(-1) ?? 'user'](files)?.seen).toContain(seen);
  });

  it('of which nothing can be read is not judged', () => {
    expect(words({ status: null, mounts: null, limits: null, maps: null, command: null, own: [] })).toEqual(all(null));
  });
});

describe('a bound', () => {
  it('is in force as it is shipped, and up to eight times as wide', () => {
    expect(boundOf('memory', SHIPPED.memory)).toEqual({ in_force: true, seen: '128 MiB' });
    expect(boundOf('cpu', 0.05)).toEqual({ in_force: true, seen: '5 % of a CPU' });
    expect(boundOf('cpu', 0.8)).toEqual({ in_force: true, seen: '80 % of a CPU, which is wider than shipped; shipped is 10 % of a CPU' });
    expect(boundOf('cpu', 0.81)).toEqual({ in_force: false, seen: '81 % of a CPU; shipped is 10 % of a CPU' });
    expect(boundOf('tasks', Infinity)).toEqual({ in_force: false, seen: 'no bound; shipped is 32' });
  });

  it('is shipped as the unit has it', () => {
    const unit = readFileSync(join(ROOT, 'systemd/incident-recorder.service'), 'utf8');
    const of = (name: string) => Number.parseInt(new RegExp(`^${name}=(\\d+)`, 'm').exec(unit)?.[1] ?? '', 10);
    expect(SHIPPED).toEqual({
      ...{ memory: of('MemoryMax') * 1024 * 1024, cpu: of('CPUQuota') / 100, tasks: of('TasksMax'), open_files: of('LimitNOFILE') },
    });
  });
});
