// What it costs to sign and publish a checkpoint every second: two recorders in turn, of which one hardly ever does.

import { type Findings, count, median, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import type { Flooded } from './load.ts';
import { REPORTS, report } from './requests.ts';
import { startRecorder, totalOf } from './servers.ts';

const CONNECTIONS = 64;
const LEAST = 0.95;

export async function measureCheckpoints(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const { rounds, seconds } = quick ? { rounds: 4, seconds: 2 } : { rounds: 8, seconds: 4 };
  const recorders = [
    { name: 'every second', program: await startRecorder(scope, { CHECKPOINT_INTERVAL: '1s' }), results: [] as Flooded[] },
    { name: 'never', program: await startRecorder(scope, { CHECKPOINT_INTERVAL: '9999d' }), results: [] as Flooded[] },
  ] as const;
  const requests = REPORTS.map(report);
  const faults: string[] = [];
  const flood = async (port: number, duration: number) => {
    const flooded = await generator.flood({ port, connections: CONNECTIONS, requests, seconds: duration });
    if (flooded.fault !== null) faults.push(`${flooded.errors} errors, first ${flooded.fault}`);
    return flooded;
  };
  const warmedUp: number[] = [];
  for (const { program } of recorders) warmedUp.push((await flood(program.port, 1)).answered);
  for (let round = 0; round < rounds; round += 1) {
    // Each is the first one as often as the second.
    for (const each of round % 2 === 0 ? recorders : recorders.toReversed()) each.results.push(await flood(each.program.port, seconds));
  }
  const published: number[] = [];
  for (const [i, { name, program, results }] of recorders.entries()) {
    const reported = results.reduce((sum, { answered }) => sum + answered, warmedUp[i] ?? 0);
    const kept = await totalOf(program);
    if (kept !== reported) faults.push(`checkpoints ${name}: ${reported} reports were answered, ${kept} incidents are kept`);
    published.push(program.output().split('"message":"checkpoint"').length - 1);
  }
  if ((published[0] ?? 0) < (rounds * seconds) / 2 || (published[1] ?? 0) > 2)
    faults.push(`checkpoints were published ${published.join(' and ')} times: that is no comparison`);

  const [on, off] = [recorders[0].results, recorders[1].results];
  const ratios = on.map(({ per_second }, round) => per_second / (off[round]?.per_second ?? Number.NaN));
  const ratio = median(ratios);
  const text = `${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
  const rows = recorders.map(({ name, results }, i) => {
    const middle = (field: 'per_second' | 'p50_ms' | 'p99_ms') => median(results.map((one) => one[field]));
    return [name, published[i] ?? 0, count(middle('per_second')), ms(middle('p50_ms')), ms(middle('p99_ms')), i === 0 ? text : ''];
  });
  return {
    text: table(['checkpoints', 'published', 'reports/s', 'p50 ms', 'p99 ms', 'ratio (least–most)'], rows),
    aims: [{ what: `reports/s at ${CONNECTIONS} connections with checkpoints / without ≥ ${LEAST}`, measured: text, met: ratio >= LEAST }],
    errors: faults,
  };
}
