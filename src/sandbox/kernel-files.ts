// What the kernel tells of a process in the files of proc(5): their texts, read.

export interface Status {
  /** Real, effective, saved and of the file system. */
  readonly uids: readonly number[];
  /** By their names there (CapEff, CapBnd, …): a bit each. */
  readonly capabilities: ReadonlyMap<string, bigint>;
  /** Null where this kernel does not tell. */
  readonly no_new_privileges: boolean | null;
  /** 2: calls are filtered. */
  readonly seccomp: number | null;
  /** Linux 5.9 and newer. */
  readonly filters: number | null;
}

export interface Mount {
  /** Of the file system it comes from: major:minor, and the folder there that is its root. */
  readonly device: string;
  readonly root: string;
  readonly point: string;
  /** Of this mount, such as ro, noexec. */
  readonly options: readonly string[];
  readonly type: string;
  /** Of the whole file system. */
  readonly super_options: readonly string[];
}

export interface Limit {
  readonly soft: number;
  /** Infinity = unlimited. */
  readonly hard: number;
}

/** @param text of /proc/PID/status */
export function statusIn(text: string): Status {
  const fields = new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    }),
  );
  const number = (name: string) => (/^\d+$/.test(fields.get(name) ?? '') ? Number(fields.get(name)) : null);
  const privileges = number('NoNewPrivs');
  return {
    uids: (fields.get('Uid') ?? '').split(/\s+/).filter(Boolean).map(Number),
    capabilities: new Map(
      [...fields].flatMap(([name, value]) => (/^Cap[A-Z]/.test(name) && /^[0-9a-f]+$/.test(value) ? [[name, BigInt(`0x${value}`)]] : [])),
    ),
    no_new_privileges: privileges === null ? null : privileges === 1,
    seccomp: number('Seccomp'),
    filters: number('Seccomp_filters'),
  };
}

/** Those that can be reached, in their order: what another one lies over is left out. @param text of /proc/PID/mountinfo */
export function mountsIn(text: string): Mount[] {
  const all = new Map(text.split('\n').flatMap(placedIn));
  const pointsOn = new Map<string, Set<string>>();
  for (const { parent, mount } of all.values()) pointsOn.set(parent, (pointsOn.get(parent) ?? new Set()).add(mount.point));
  const isReached = (placed: Placed): boolean => {
    const on = all.get(placed.parent);
    if (!on || on === placed) return true;
    const points = pointsOn.get(placed.parent);
    return !foldersAbove(placed.mount.point).some((folder) => points?.has(folder)) && isReached(on);
  };
  return [...all].flatMap(([id, placed]) => (!pointsOn.get(id)?.has(placed.mount.point) && isReached(placed) ? [placed.mount] : []));
}

interface Placed {
  /** The id of the mount that it lies on. */
  readonly parent: string;
  readonly mount: Mount;
}

/** By its id. */
function placedIn(line: string): (readonly [id: string, Placed])[] {
  const [before = '', after = ''] = line.split(' - ', 2);
  const [id, parent, device, root, point, options] = before.split(' ');
  const [type, , more] = after.split(' ');
  if (id === undefined || parent === undefined || device === undefined || root === undefined || point === undefined) return [];
  if (options === undefined || type === undefined) return [];
  const lists = { options: options.split(','), super_options: (more ?? '').split(',') };
  return [[id, { parent, mount: { device, root: plain(root), point: plain(point), type, ...lists } }]];
}

/** `/a/b/c`: `/`, `/a` and `/a/b`. */
function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return path === '/' ? [] : ['/', ...parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)];
}

/** Blanks and backslashes stand there as octal digits. */
function plain(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** By their names there, such as `Max open files`. @param text of /proc/PID/limits */
export function limitsIn(text: string): Map<string, Limit> {
  const value = (word: string) => (word === 'unlimited' ? Infinity : Number(word));
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name, soft, hard] = /^(Max [a-z ]+?)\s{2,}(unlimited|\d+)\s+(unlimited|\d+)\b/.exec(line) ?? [];
      return name === undefined || soft === undefined || hard === undefined ? [] : [[name, { soft: value(soft), hard: value(hard) }]];
    }),
  );
}

/**
 * What of its memory may be executed, and may be written too or is of no file: a line each. What is made while it runs lies there.
 * @param text of /proc/PID/maps
 */
export function madeCodeIn(text: string): string[] {
  return text.split('\n').filter((line) => {
    const [, write, path = ''] = /^[0-9a-f]+-[0-9a-f]+ .([w-])x. \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    const isOfFile = (path.startsWith('/') && !path.startsWith('/memfd:')) || OF_THE_KERNEL.has(path);
    return write !== undefined && (write === 'w' || !isOfFile);
  });
}
const OF_THE_KERNEL = new Set(['[vdso]', '[vsyscall]', '[uprobes]', '[vectors]', '[sigpage]']);
