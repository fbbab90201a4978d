// Reports per second of the recorder against what any service on this machine and stack could do at best.

import { type Aim, type Findings, count, median, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import type { Flooded } from './load.ts';
import { REPORTS, report } from './requests.ts';
import { startRecorder, startYardstick, totalOf } from './servers.ts';

const CONNECTIONS = [1, 16, 64];
const AIMS = [
  { yardstick: 1, name: 'hono + zod', least: 0.9 },
  { yardstick: 0, name: 'node:http', least: 0.5 },
];

export async function measureThroughput(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const { rounds, seconds } = quick ? { rounds: 3, seconds: 0.8 } : { rounds: 5, seconds: 2 };
  const recorder = await startRecorder(scope);
  const servers = [
    { name: '(a) `node:http`, JSON only', port: await startYardstick('node-http', scope) },
    { name: '(b) hono + zod, no storage', port: await startYardstick('hono-zod', scope) },
    { name: '(c) the recorder', port: recorder.port },
  ];
  const requests = REPORTS.map(report);
  const faults: string[] = [];
  const measure = async (port: number, connections: number, duration: number) => {
    const result = await generator.flood({ port, connections, requests, seconds: duration });
    if (port === recorder.port) reported += result.answered;
    if (result.fault !== null) faults.push(`${connections} connections, ${nameOf(port)}: ${result.errors} errors, first ${result.fault}`);
    return result;
  };
  const nameOf = (port: number) => servers.find((server) => server.port === port)?.name ?? '';
  let reported = 0;

  for (const { port } of servers) await measure(port, 16, quick ? 0.5 : 1.5);
  const rows: (string | number)[][] = [];
  const aims: Aim[] = [];
  for (const connections of CONNECTIONS) {
    const results: Flooded[][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const of: Flooded[] = [];
      for (const { port } of servers) of.push(await measure(port, connections, seconds));
      results.push(of);
    }
    const ratio = (yardstick: number) => ratioOf(results, 2, yardstick);
    servers.forEach(({ name }, s) => {
      const all = results.map((of) => of[s]).filter((one) => one !== undefined);
      const middle = (field: 'per_second' | 'p50_ms' | 'p99_ms' | 'bytes') => median(all.map((one) => one[field]));
      rows.push([
        ...[connections, name, count(middle('per_second')), ms(middle('p50_ms')), ms(middle('p99_ms'))],
        ...[count(middle('bytes')), all.reduce((sum, { errors }) => sum + errors, 0), s === 2 ? `${ratio(1).text}, ${ratio(0).text}` : ''],
      ]);
    });
    if (connections === CONNECTIONS.at(-1)) {
      for (const { yardstick, name, least } of AIMS) {
        const { value, text } = ratio(yardstick);
        aims.push({ what: `recorder / ${name} at ${connections} connections ≥ ${least}`, measured: text, met: value >= least });
      }
    }
  }
  const kept = await totalOf(recorder);
  if (kept !== reported) faults.push(`${reported} reports were answered, ${kept} incidents are kept`);
  const text = table(['connections', 'server', 'req/s', 'p50 ms', 'p99 ms', 'bytes an answer', 'errors', 'c/b, c/a (least–most)'], rows);
  return { text, aims, errors: faults };
}

/** Of servers that ran one after the other in the same round: so what else the machine did weighs on both. */
function ratioOf(rounds: readonly Flooded[][], of: number, to: number): { value: number; text: string } {
  const ratios = rounds.map((round) => (round[of]?.per_second ?? Number.NaN) / (round[to]?.per_second ?? Number.NaN));
  const value = median(ratios);
  return { value, text: `${value.toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})` };
}
