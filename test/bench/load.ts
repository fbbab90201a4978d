// The load generator: a process of its own that is told one job at a time, does it and tells what it measured.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Line, openLine } from './line.ts';

/** As fast as it goes: each connection sends its next request when the last one is answered. */
export interface Flood {
  readonly kind: 'flood';
  readonly port: number;
  readonly connections: number;
  readonly requests: readonly string[];
  /** Whatever comes first ends it. */
  readonly seconds: number;
  readonly limit: number;
  /** What is sent before is not counted; where a limit is set, or where one request takes as long, all are. */
  readonly settle_ms: number;
}

export interface Flooded {
  /** All that were answered as they should, also while it settled. */
  readonly answered: number;
  readonly errors: number;
  /** What went wrong first. */
  readonly fault: string | null;
  readonly per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** Mean size of an answer's body. */
  readonly bytes: number;
  /** The share of one processor that the generator took for it: when it comes near 1, the generator is what was measured. */
  readonly busy: number;
}

/** The same requests to two servers in turn, one at a time. */
export interface Comparison {
  readonly kind: 'comparison';
  readonly ports: readonly [number, number];
  /** By name, for each server: requests that take turns. */
  readonly steps: readonly { readonly name: string; readonly requests: readonly [readonly string[], readonly string[]] }[];
  readonly times: number;
}

export interface Compared {
  readonly errors: number;
  readonly fault: string | null;
  /** Medians. */
  readonly steps: readonly { readonly name: string; readonly p50_ms: readonly [number, number] }[];
}

export interface Answering {
  readonly kind: 'answering';
  readonly port: number;
  readonly request: string;
  readonly seconds: number;
}

export type Job = Flood | Comparison | Answering;

const WARM_UP = 20;
const BETWEEN_MS = 5;

async function flood({ port, connections, requests, seconds, limit, settle_ms }: Flood): Promise<Flooded> {
  const lines = await Promise.all(Array.from({ length: connections }, async () => openLine(port)));
  const bytes = requests.map((request) => Buffer.from(request));
  const times: number[] = [];
  let [sent, answered, errors, size] = [0, 0, 0, 0];
  let fault: string | null = null;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const counted = limit < Number.MAX_SAFE_INTEGER ? began : began + settle_ms;
  const until = counted + seconds * 1000;
  let last = counted;

  const drive = async (line: Line, first: number) => {
    for (let n = first; sent < limit && last < until; n += 1) {
      sent += 1;
      const from = performance.now();
      try {
        const answer = await line.ask(bytes[n % bytes.length] ?? '');
        last = performance.now();
        if (answer.status !== 201 && answer.status !== 200) throw new Error(`${answer.status} ${answer.body().slice(0, 200)}`);
        answered += 1;
        size += answer.bytes;
        if (from >= counted) times.push(last - from);
      } catch (error) {
        errors += 1;
        fault ??= String(error);
        return;
      }
    }
  };
  await Promise.all(lines.map(drive));
  const { user, system } = process.cpuUsage(cpu);
  const busy = (user + system) / 1000 / (performance.now() - began);
  await Promise.all(lines.map(async (line) => line.close()));
  const per_second = (times.length * 1000) / (last - counted);
  const sorted = Float64Array.from(times).toSorted();
  return { answered, errors, fault, per_second, p50_ms: at(sorted, 0.5), p99_ms: at(sorted, 0.99), bytes: size / answered, busy };
}

async function compare({ ports, steps, times }: Comparison): Promise<Compared> {
  const lines = await Promise.all(ports.map(async (port) => openLine(port)));
  const measured = steps.map(() => [new Float64Array(times), new Float64Array(times)] as const);
  let errors = 0;
  let fault: string | null = null;
  for (let n = -WARM_UP; n < times; n += 1) {
    for (const [s, { requests }] of steps.entries()) {
      // Each is the first one as often as the second.
      for (const which of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const from = performance.now();
        const answer = await lines[which]?.ask(requests[which][(n + WARM_UP) % requests[which].length] ?? '');
        const took = performance.now() - from;
        if (answer && answer.status < 300) {
          if (n >= 0 && measured[s]) measured[s][which][n] = took;
        } else {
          errors += 1;
          fault ??= `${answer?.status} ${answer?.body().slice(0, 200)}`;
        }
      }
    }
  }
  await Promise.all(lines.map(async (line) => line.close()));
  const medians = steps.map(({ name }, s) => {
    const [one, other] = measured[s] ?? [];
    return { name, p50_ms: [at(one?.toSorted(), 0.5), at(other?.toSorted(), 0.5)] as const };
  });
  return { errors, fault, steps: medians };
}

async function firstAnswer({ port, request, seconds }: Answering): Promise<number> {
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    try {
      const line = await openLine(port);
      const { status } = await line.ask(request);
      const [s, ns] = process.hrtime();
      await line.close();
      if (status < 300) return s * 1e3 + ns / 1e6;
    } catch {
      // Nobody listens yet, or who did has gone.
    }
    await sleep(BETWEEN_MS);
  }
  throw new Error(`${request.slice(0, request.indexOf('\r'))}: no good answer within ${seconds} s`);
}

function at(sorted: Float64Array | undefined, share: number): number {
  return sorted?.[Math.floor(sorted.length * share)] ?? Number.NaN;
}

process.on('message', (job: Job) => {
  const done: Promise<unknown> = job.kind === 'flood' ? flood(job) : job.kind === 'comparison' ? compare(job) : firstAnswer(job);
  done.then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
