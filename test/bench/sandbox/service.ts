// One service of the host that is measured on: started, stopped, and looked at from outside.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Box } from '../../sandboxed/box.ts';
import type { Generator } from '../generator.ts';
import { get } from '../requests.ts';
import { type Cgroup, openCgroup } from './cgroup.ts';

export interface ServiceParts {
  readonly name: string;
  readonly port: number;
  /** Its folder in the box. */
  readonly state: string;
}

export interface Service extends ServiceParts {
  readonly cgroup: Cgroup;
  /** Starts it, and waits for its first good answer. */
  start(generator: Generator, request?: string): Promise<Start>;
  stop(): void;
  /** What it may have of a processor from now on, such as `10%`; empty = all of one. */
  quota(share: string): void;
  /** Puts what lies in its folder and in the release out of the page cache. It must not run. */
  evict(): void;
  /** How many incidents it keeps. */
  total(): number;
  /**
   * Waits until it has done what it does after a start: makes its reserve on the disk, and looks through its log.
   * @returns milliseconds of CPU that it has had by then, since its start
   */
  settled(): Promise<number>;
}

/** In milliseconds, from the call of systemctl until the first good answer; and of CPU, by who had it. */
export interface Start {
  readonly took: number;
  readonly cpu: number;
  /** systemd's own preparations in the service's cgroup; the launcher; the service. NaN = it was over before it was seen. */
  readonly parts: readonly [number, number, number];
}

const LOOK_MS = 2;
const PATIENCE_S = 60;
/** STORE_RESERVE_BYTES as it is by default. */
const RESERVE = 67_108_864;

export function serviceIn(box: Box, parts: ServiceParts): Service {
  const { name, port, state } = parts;
  const unit = `${name}.service`;
  const cgroup = openCgroup(`${box.name}/system.slice/${unit}`);
  const reserve = () => box.at(`${state}/logs/incidents.db.reserve`);
  const asked = <T>(path: string) => JSON.parse(box.sh(`curl -sS http://127.0.0.1:${port}${path}`)) as T;
  return {
    ...parts,
    cgroup,
    async start(generator, request = get('/health')) {
      const answered = generator.firstAnswer({ port, request, seconds: PATIENCE_S });
      const [s, ns] = process.hrtime();
      box.sh(`systemctl start --no-block ${unit}`);
      const seen = new Map<Phase, number>();
      const over = answered.then(
        () => true,
        () => true,
      );
      while (!(await Promise.race([over, sleep(LOOK_MS, false)]))) {
        const phase = phaseOf(cgroup.pid());
        if (phase !== null && !seen.has(phase)) seen.set(phase, cgroup.cpu().total / 1000);
      }
      const cpu = cgroup.cpu().total / 1000;
      const [launcher, service] = [seen.get('launcher') ?? Number.NaN, seen.get('service') ?? Number.NaN];
      return { took: (await answered) - (s * 1e3 + ns / 1e6), cpu, parts: [launcher, service - launcher, cpu - service] };
    },
    stop: () => void box.sh(`systemctl stop ${unit}`),
    quota: (share) => void box.sh(`systemctl set-property --runtime ${unit} CPUQuota=${share}`),
    evict() {
      const folders = `/usr/lib/incident-recorder ${state}`;
      box.sh(`sync; find ${folders} -type f -exec dd if={} iflag=nocache count=0 status=none \\;`);
    },
    total: () => asked<{ total_incidents: number }>('/api/v1/stats').total_incidents,
    async settled() {
      const until = performance.now() + PATIENCE_S * 1000;
      const isDone = () =>
        existsSync(reserve()) && statSync(reserve()).size === RESERVE && asked<Health>('/health').checks.audit !== 'verifying';
      while (!isDone()) {
        if (performance.now() > until) throw new Error(`${name} does not come to rest`);
        await sleep(100);
      }
      return cgroup.cpu().total / 1000;
    },
  };
}

interface Health {
  readonly checks: { readonly audit: string };
}

type Phase = 'launcher' | 'service';

/** By its command line: the launcher's names both programs, the service's one. */
function phaseOf(pid: number | null): Phase | null {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (command.includes('launch.js')) return 'launcher';
    return command.includes('main.js') ? 'service' : null;
  } catch {
    return null; // it has ended meanwhile
  }
}
