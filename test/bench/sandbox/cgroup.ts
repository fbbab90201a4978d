// What the cgroup of a service has on its account: CPU time and memory, by the kernel's own books, of either version.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
const UNIFIED = existsSync(join(ROOT, 'cgroup.controllers'));
/** Version 2 keeps account of CPU time also where it controls nothing, and systemd is there in either case. */
const BOOKS = UNIFIED ? ROOT : join(ROOT, 'unified');

/** Microseconds since it was started. */
export interface Cpu {
  readonly total: number;
  readonly user: number;
  readonly system: number;
}

/** Bytes. */
export interface Memory {
  /** All that it is charged with: also the page cache, which it would be freed of before it met its limit. */
  readonly charged: number;
  readonly peak: number;
  /** Nobody but its processes can free this. */
  readonly anonymous: number;
  readonly file: number;
  readonly kernel: number;
}

export interface Cgroup {
  cpu(): Cpu;
  memory(): Memory;
  /** How often it met its memory limit, and page cache had to go. */
  limitMet(): number;
  /** Of its first process, as it is seen from here; null = it has none. */
  pid(): number | null;
}

/** @param path from the root of the hierarchies, such as `box/system.slice/x.service` */
export function openCgroup(path: string): Cgroup {
  const text = (controller: string, file: string) => readFileSync(join(ROOT, UNIFIED ? '' : controller, path, file), 'utf8');
  const number = (controller: string, file: string) => Number(text(controller, file));
  const field = (controller: string, file: string, name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text(controller, file))?.[1] ?? Number.NaN);

  return {
    cpu() {
      const stat = readFileSync(join(BOOKS, path, 'cpu.stat'), 'utf8');
      const of = (name: string) => Number(new RegExp(`^${name}_usec (\\d+)$`, 'm').exec(stat)?.[1] ?? Number.NaN);
      return { total: of('usage'), user: of('user'), system: of('system') };
    },
    memory() {
      if (UNIFIED) {
        const of = (name: string) => field('', 'memory.stat', name);
        const [charged, peak] = [number('', 'memory.current'), number('', 'memory.peak')];
        return { charged, peak, anonymous: of('anon'), file: of('file'), kernel: of('kernel') };
      }
      const of = (name: string) => number('memory', `memory.${name}_in_bytes`);
      const [anonymous, file] = [field('memory', 'memory.stat', 'total_rss'), field('memory', 'memory.stat', 'total_cache')];
      return { charged: of('usage'), peak: of('max_usage'), anonymous, file, kernel: of('kmem.usage') };
    },
    limitMet: () => (UNIFIED ? field('', 'memory.events', 'max') : number('memory', 'memory.failcnt')),
    pid() {
      try {
        return Number(/^\d+/.exec(text('cpu', 'cgroup.procs'))?.[0] ?? 0) || null;
      } catch {
        return null; // it has not begun, or has ended
      }
    },
  };
}

/** Between two looks. */
export function cpuBetween(before: Cpu, after: Cpu): Cpu {
  return { total: after.total - before.total, user: after.user - before.user, system: after.system - before.system };
}
