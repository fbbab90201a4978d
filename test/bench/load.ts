// The load generator: a process of its own that is told one job at a time, does it and tells what it measured.

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

export type Job = Flood | Comparison;

const SETTLE_MS = 250;
const WARM_UP = 20;

async function flood({ port, connections, requests, seconds, limit }: Flood): Promise<Flooded> {
  const lines = await Promise.all(Array.from({ length: connections }, async () => openLine(port)));
  const bytes = requests.map((request) => Buffer.from(request));
  const times: number[] = [];
  let [sent, answered, errors, size] = [0, 0, 0, 0];
  let fault: string | null = null;
  const began = performance.now();
  const counted = limit < Number.MAX_SAFE_INTEGER ? began : began + SETTLE_MS;
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
  await Promise.all(lines.map(async (line) => line.close()));
  const per_second = (times.length * 1000) / (last - counted);
  const sorted = Float64Array.from(times).toSorted();
  return { answered, errors, fault, per_second, p50_ms: at(sorted, 0.5), p99_ms: at(sorted, 0.99), bytes: size / answered };
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

function at(sorted: Float64Array | undefined, share: number): number {
  return sorted?.[Math.floor(sorted.length * share)] ?? Number.NaN;
}

process.on('message', (job: Job) => {
  (job.kind === 'flood' ? flood(job) : compare(job)).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
