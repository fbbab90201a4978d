// Reports per second of the shipped service, beside the same without its quota, and beside a server that only answers.

import { type Findings, count, median, ms, table } from '../findings.ts';
import type { Generator } from '../generator.ts';
import { REPORTS, batch, report } from '../requests.ts';
import { type Cpu, cpuBetween } from './cgroup.ts';
import type { Host } from './host.ts';
import type { Service } from './service.ts';

export interface Load {
  readonly name: string;
  readonly connections: number;
  readonly requests: readonly string[];
  /** Reports a request. */
  readonly of: number;
}

/** Of one load on one service, over all of its rounds. */
interface Measured {
  readonly per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly reports: number;
  readonly errors: number;
  readonly faults: readonly string[];
  /** Microseconds a report. */
  readonly cpu: Cpu;
  /** Shares of one processor: of the service, of the generator. */
  readonly used: number;
  readonly generator: number;
}

const LINES = 1000;
const single = (connections: number): Load => ({
  ...{ name: `single, ${connections} connection${connections > 1 ? 's' : ''}`, connections },
  ...{ requests: REPORTS.map(report), of: 1 },
});
const lines = (connections: number): Load => ({
  ...{ name: `${count(LINES)} lines a request, ${connections} connection${connections > 1 ? 's' : ''}`, connections },
  ...{ requests: [batch(REPORTS, LINES)], of: LINES },
});
const LOADS: readonly Load[] = [single(1), single(16), single(64), lines(1), lines(4)];
export const SINGLE_16 = single(16);
export const LINES_1 = lines(1);
const LEAST = { single: 250, lines: 1500 };

/** For how long each service is under load, in each of two rounds. */
const SECONDS = { shipped: 10, lifted: 2, bare: 4 };
const QUICK = { shipped: 3, lifted: 1, bare: 1 };

/** All three are running. */
export async function measureLoads(host: Host, quick: boolean): Promise<Findings> {
  const seconds = quick ? QUICK : SECONDS;
  const rounds = quick ? 1 : 2;
  const names = ['shipped', 'lifted', 'bare'] as const;
  const told = { shipped: 'as shipped, 10 %', lifted: 'without CPUQuota', bare: 'bare `node:http`, 10 %' };
  const faults: string[] = [];
  const sent = { shipped: 0, lifted: 0, bare: 0 };
  const run = async (name: (typeof names)[number], load: Load, duration: number) => {
    const measured = await measure(host.generator, host[name], load, duration);
    sent[name] += measured.reports;
    for (const fault of measured.faults) {
      faults.push(`${load.name}, ${told[name]}: ${measured.errors} errors, first ${fault}`);
      console.error(faults.at(-1));
    }
    return measured;
  };
  // The bare server knows no lines.
  const takes = (name: (typeof names)[number], load: Load) => name !== 'bare' || load.of === 1;

  for (const name of names) for (const load of [SINGLE_16, LINES_1]) if (takes(name, load)) await run(name, load, seconds[name] / 3);
  const rows: (string | number)[][] = [];
  const best = { single: 0, lines: 0 };
  let errors = 0;
  for (const load of quick ? LOADS.slice(0, -1) : LOADS) {
    const results = { shipped: [] as Measured[], lifted: [] as Measured[], bare: [] as Measured[] };
    for (let round = 0; round < rounds; round += 1)
      for (const name of names) if (takes(name, load)) results[name].push(await run(name, load, seconds[name]));
    const [shipped, lifted, bare] = names.map((name) => (results[name].length > 0 ? together(results[name]) : null));
    for (const [i, of] of [shipped, lifted, bare].entries()) {
      if (!of) continue;
      errors += of.errors;
      rows.push([load.name, told[names[i] ?? 'bare'], ...cells(of), i === 0 && shipped ? ratios(shipped, lifted, bare) : '']);
    }
    const kind = load.of === 1 ? 'single' : 'lines';
    best[kind] = Math.max(best[kind], shipped?.per_second ?? 0);
  }
  for (const name of ['shipped', 'lifted'] as const) {
    const kept = host[name].total();
    // Of a request that failed, some lines may have been kept.
    if (kept < sent[name] || (kept > sent[name] && faults.length === 0))
      faults.push(`${told[name]}: ${sent[name]} reports were answered, ${kept} incidents are kept`);
  }
  return {
    text: table([...HEAD, '10 % / unlimited, recorder / bare, CPU of recorder / bare'], rows),
    aims: [
      { what: `reports/s one by one, the best ≥ ${LEAST.single}`, measured: count(best.single), met: best.single >= LEAST.single },
      { what: `reports/s as lines, the best ≥ ${count(LEAST.lines)}`, measured: count(best.lines), met: best.lines >= LEAST.lines },
      { what: 'requests that failed = 0', measured: String(errors), met: errors === 0 },
    ],
    errors: faults,
  };
}

export const HEAD = [
  'load',
  'server',
  'reports/s',
  'p50 ms',
  'p99 ms',
  'errors',
  'CPU µs a report (user + system)',
  'CPU %',
  'generator %',
];

export function cells({ per_second, p50_ms, p99_ms, errors, cpu, used, generator }: Measured): (string | number)[] {
  // Where every request failed there is nothing to show.
  const shown = (value: number, as: (value: number) => string) => (Number.isFinite(value) ? as(value) : '–');
  const split = shown(cpu.total, () => `${count(cpu.total)} (${count(cpu.user)} + ${count(cpu.system)})`);
  const speed = [shown(per_second, count), shown(p50_ms, ms), shown(p99_ms, ms)];
  return [...speed, errors, split, (used * 100).toFixed(1), (generator * 100).toFixed(0)];
}

export async function measure(generator: Generator, { port, cgroup }: Service, load: Load, seconds: number): Promise<Measured> {
  const { connections, requests, of } = load;
  const [before, from] = [cgroup.cpu(), performance.now()];
  // A request with a thousand reports takes seconds: there is no time in which none is on its way.
  const flooded = await generator.flood({ port, connections, requests, seconds, ...(of > 1 && { settle_ms: 0 }) });
  const [{ total, user, system }, took] = [cpuBetween(before, cgroup.cpu()), (performance.now() - from) * 1000];
  const reports = flooded.answered * of;
  return {
    ...{ per_second: flooded.per_second * of, p50_ms: flooded.p50_ms, p99_ms: flooded.p99_ms, reports, errors: flooded.errors },
    ...{ faults: flooded.fault === null ? [] : [flooded.fault], used: total / took, generator: flooded.busy },
    cpu: { total: total / reports, user: user / reports, system: system / reports },
  };
}

function together(rounds: readonly Measured[]): Measured {
  const middle = (of: (one: Measured) => number) => median(rounds.map(of));
  const sum = (of: (one: Measured) => number) => rounds.reduce((all, one) => all + of(one), 0);
  return {
    ...{ per_second: middle((one) => one.per_second), p50_ms: middle((one) => one.p50_ms), p99_ms: middle((one) => one.p99_ms) },
    ...{ reports: sum(({ reports }) => reports), errors: sum(({ errors }) => errors), faults: rounds.flatMap(({ faults }) => faults) },
    ...{ used: middle(({ used }) => used), generator: middle(({ generator }) => generator) },
    cpu: { total: middle(({ cpu }) => cpu.total), user: middle(({ cpu }) => cpu.user), system: middle(({ cpu }) => cpu.system) },
  };
}

function ratios(shipped: Measured, lifted: Measured | null | undefined, bare: Measured | null | undefined): string {
  const of = (value: number | undefined, to: number | undefined) => ((value ?? Number.NaN) / (to ?? Number.NaN)).toFixed(2);
  const speed = [of(shipped.per_second, lifted?.per_second), ...(bare ? [of(shipped.per_second, bare.per_second)] : [])];
  return [...speed, ...(bare ? [of(shipped.cpu.total, bare.cpu.total)] : [])].join(', ');
}
