// Which layers of the sandbox are in force, judged by what the kernel tells of the process: the same by the service of itself, and from outside.

import { boundOf } from './bounds.ts';
import { type Limit, type Mount, type Status, madeCodeIn } from './kernel-files.ts';

/** One layer, looked at from one side. */
export interface Sight {
  /** Null: it cannot be told. */
  readonly in_force: boolean | null;
  /** What was seen: one line. */
  readonly seen: string;
}

/** What could be read of a process; null, what could not. */
export interface ProcessFiles {
  readonly status: Status | null;
  readonly mounts: readonly Mount[] | null;
  readonly limits: ReadonlyMap<string, Limit> | null;
  /** The text of its maps. */
  readonly maps: string | null;
  /** The words that it was started with. */
  readonly command: readonly string[] | null;
  /** The folders that it is to write, without symbolic links. */
  readonly own: readonly string[];
}

/** Of the kernel: there is no file in them that anybody has put there. */
const NO_FILES = new Set([
  'proc',
  'sysfs',
  'cgroup',
  'cgroup2',
  'devpts',
  'mqueue',
  'bpf',
  'debugfs',
  'tracefs',
  'securityfs',
  'configfs',
  'pstore',
]);
const HOMES = ['/home', '/root'];
const PRIVATE = /\/systemd-private-[^/]+\/tmp$/;

/** Each answers null when what it is judged by could not be read. */
export const JUDGED = {
  user: ({ status }) => status && userOf(status),
  capabilities: ({ status }) => status && capabilitiesOf(status),
  no_new_privileges: ({ status }) =>
    status && { in_force: status.no_new_privileges, seen: `NoNewPrivs ${status.no_new_privileges ? 1 : 0}` },
  seccomp_filters: ({ status }) => status && filtersOf(status),
  read_only_system: ({ mounts, own }) => mounts && readOnlyOf(mounts, own),
  no_exec: ({ mounts }) => mounts && noExecOf(mounts),
  home: ({ mounts }) => mounts && homeOf(mounts),
  private_tmp: ({ mounts }) => mounts && temporaryOf(mounts),
  other_processes: ({ mounts }) => mounts && processesOf(mounts),
  made_code: ({ maps }) => (maps === null ? null : codeOf(maps)),
  jitless: ({ command }) =>
    command && {
      in_force: command.includes('--jitless'),
      seen: command.includes('--jitless') ? 'started with --jitless' : 'started without --jitless: it makes machine code',
    },
  open_files: ({ limits }) => ofLimit(limits, 'Max open files', ({ hard }) => boundOf('open_files', hard)),
  core_dumps: ({ limits }) =>
    ofLimit(limits, 'Max core file size', ({ hard }) => ({
      in_force: hard === 0,
      seen: hard === 0 ? 'none is ever written' : 'one may be written, with all secrets in it',
    })),
} as const satisfies Record<string, (files: ProcessFiles) => Sight | null>;
export type JudgedLayer = keyof typeof JUDGED;

function userOf({ uids }: Status): Sight {
  if (uids.length === 0) return { in_force: null, seen: 'the kernel does not tell its user' };
  const isRoot = uids.includes(0);
  return { in_force: !isRoot, seen: isRoot ? 'root' : `uid ${[...new Set(uids)].join(', ')}` };
}

function capabilitiesOf({ capabilities }: Status): Sight {
  if (capabilities.size === 0) return { in_force: null, seen: 'the kernel tells of none' };
  const some = [...capabilities].filter(([, bits]) => bits !== 0n);
  const shown = some.map(([name, bits]) => `${name} ${bits.toString(16)}`).join(', ');
  return { in_force: some.length === 0, seen: some.length === 0 ? `none: ${[...capabilities.keys()].join(', ')} are 0` : shown };
}

/** One is that of the launcher. */
function filtersOf({ seccomp, filters }: Status): Sight {
  if (seccomp !== 2) return { in_force: seccomp === null ? null : false, seen: `Seccomp ${seccomp ?? 'is not told'}: no call is filtered` };
  if (filters === null) return { in_force: null, seen: 'calls are filtered; the kernel does not tell by how many filters' };
  return {
    in_force: filters > 1,
    seen: filters > 1 ? `${filters} filters` : 'one filter: that of the launcher, or of whatever it runs in',
  };
}

/** Of the file systems that hold files; those that the kernel makes are not meant. */
function storing(mounts: readonly Mount[]): Mount[] {
  return mounts.filter(({ type }) => !NO_FILES.has(type));
}

const isWritable = ({ options, super_options }: Mount) => !options.includes('ro') && !super_options.includes('ro');

/** Devices are another layer's. */
function readOnlyOf(mounts: readonly Mount[], own: readonly string[]): Sight {
  const isMeant = ({ point }: Mount) => ['/tmp', '/var/tmp', ...own].includes(point);
  const writable = storing(mounts).filter((mount) => isWritable(mount) && !/^\/dev(\/|$)/.test(mount.point));
  const wrong = writable.filter((mount) => !isMeant(mount)).map(({ point }) => point);
  const meant = writable.filter(isMeant).map(({ point }) => point);
  return {
    in_force: wrong.length === 0,
    seen: wrong.length === 0 ? `all is mounted ro but ${meant.join(', ') || 'nothing'}` : `mounted rw: ${someOf(wrong)}`,
  };
}

/** What can be written cannot be executed, and the other way round. */
function noExecOf(mounts: readonly Mount[]): Sight {
  const executable = storing(mounts).filter(({ options }) => !options.includes('noexec'));
  const both = executable.filter(isWritable).map(({ point }) => point);
  const points = executable.map(({ point }) => point);
  return {
    in_force: both.length === 0 && !points.includes('/'),
    seen:
      both.length > 0
        ? `may be written and executed from: ${someOf(both)}`
        : points.includes('/')
          ? 'all of / may be executed'
          : `all is mounted noexec but ${someOf(points)}`,
  };
}

function homeOf(mounts: readonly Mount[]): Sight {
  const isHidden = (home: string) =>
    mounts.some(
      ({ point, root, type, options }) =>
        point === home && (root.startsWith('/systemd/inaccessible/') || (type === 'tmpfs' && options.includes('ro'))),
    );
  const open = HOMES.filter((home) => !isHidden(home));
  return { in_force: open.length === 0, seen: open.length === 0 ? `${HOMES.join(' and ')} are hidden` : `not hidden: ${open.join(', ')}` };
}

function temporaryOf(mounts: readonly Mount[]): Sight {
  const at = (place: string) => mounts.find(({ point }) => point === place);
  const isOwn = (place: string) => PRIVATE.test(at(place)?.root ?? '');
  const shared = ['/tmp', '/var/tmp'].filter((place) => !isOwn(place));
  return {
    in_force: shared.length === 0,
    seen: shared.length === 0 ? '/tmp and /var/tmp are its own' : `${shared.join(', ')} of the host`,
  };
}

function processesOf(mounts: readonly Mount[]): Sight {
  const options = mounts.find(({ point }) => point === '/proc')?.super_options ?? [];
  const hidden = options.find((option) => /^hidepid=(2|4|invisible|ptraceable)$/.test(option));
  return { in_force: hidden !== undefined, seen: hidden === undefined ? 'it sees those of others' : `/proc is mounted ${hidden}` };
}

function codeOf(maps: string): Sight {
  const [first, ...more] = madeCodeIn(maps);
  return {
    in_force: first === undefined,
    seen: first === undefined ? 'all code is of files, and cannot be written' : `${1 + more.length} times code that is made: ${first}`,
  };
}

function ofLimit(limits: ReadonlyMap<string, Limit> | null, name: string, judge: (limit: Limit) => Sight): Sight | null {
  const limit = limits?.get(name);
  return limit ? judge(limit) : null;
}

const SHOWN = 4;

function someOf(places: readonly string[]): string {
  const rest = places.length - SHOWN;
  return [...places.slice(0, SHOWN), ...(rest > 0 ? [`${rest} more`] : [])].join(', ');
}
