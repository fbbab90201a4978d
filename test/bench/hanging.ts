// One actuator that takes commands and never answers: what the others have of it, against a recorder that does not know it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../support/program.ts';
import { CLASSES, folderWith, policyOf, startOn } from './commanding.ts';
import type { Field } from './field.ts';
import { type Findings, count, median, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { numbered } from './numbered.ts';
import { batch } from './requests.ts';
import { share, spread } from './shares.ts';

const MOST = 1.2;
const BATCH = 1000;
const DEADLINE_S = 30;
/** Reports for the one that hangs go on meanwhile, so many milliseconds apart. */
const PAUSE_MS = 100;

export async function measureHanging(scope: AsyncDisposableStack, generator: Generator, field: Field, quick: boolean): Promise<Findings> {
  const { rounds, seconds, pending } = quick ? { rounds: 3, seconds: 2, pending: 10_000 } : { rounds: 4, seconds: 2.5, pending: 10_000 };
  const well = await field.open('well', null);
  const hangs = await field.open('hangs', null, 'hang');
  const deadline = `${DEADLINE_S}s`;
  const [without, beside] = [
    await startOn(scope, folderWith(scope, policyOf({ block_ip: well }, { deadline }))),
    await startOn(scope, folderWith(scope, policyOf({ block_ip: well, rate_limit: hangs }, { deadline }))),
  ];
  const faults: string[] = [];
  const fill = async ({ port }: Program) => {
    for (let n = 0; n < pending; n += BATCH) {
      const bodies = Array.from({ length: BATCH }, (_, i) => numbered(CLASSES.slows, n + i).body);
      const flooded = await generator.flood({ port, connections: 1, requests: [batch(bodies, BATCH)], limit: 1 });
      if (flooded.fault !== null) faults.push(flooded.fault);
    }
  };
  let [from, other] = [0, pending];
  const measure = async ({ port }: Program, duration: number) => {
    const background = field.send({
      port,
      class: CLASSES.slows,
      from: other,
      seconds: duration,
      commands: false,
      wait: 0,
      pause_ms: PAUSE_MS,
    });
    const sent = await field.send({ port, class: CLASSES.blocks, from, seconds: duration });
    from += sent.answer.length;
    const slow = await background;
    other += slow.answer.length;
    for (const { fault } of [sent, slow]) if (fault !== null) faults.push(fault);
    return sent.wire;
  };

  await fill(without);
  await measure(without, 1);
  const began = performance.now();
  await fill(beside);
  await measure(beside, 1);
  const results: [(readonly number[])[], (readonly number[])[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      results[which].push(await measure([without, beside][which] as Program, seconds));
  }
  const took = (performance.now() - began) / 1000;
  if (took > DEADLINE_S) faults.push(`measured for ${took.toFixed(0)} s: what was to be pending is overdue`);
  await sleep(Math.max(0, DEADLINE_S * 1000 - 1000 - (performance.now() - began)));
  const storm = await measure(beside, 12);
  const calm = await measure(without, 6);

  const ratio = (part: number) => results[1].map((one, round) => share(one, part) / share(results[0][round] ?? [], part));
  const late = share(storm, 0.99) / share(calm, 0.99);
  const row = (name: string, all: readonly (readonly number[])[], ...rest: string[]) => [
    ...[name, count(all.reduce((sum, { length }) => sum + length, 0)), ms(median(all.map((one) => share(one, 0.5))))],
    ...[ms(median(all.map((one) => share(one, 0.99)))), ms(Math.max(...all.flat())), ...rest],
  ];
  const rows = [
    row('nobody hangs', results[0], ''),
    row(`one hangs, ${count(pending)} commands wait for it`, results[1], `${spread(ratio(0.5))}, ${spread(ratio(0.99))}`),
    row('… while these become overdue', [storm], `${(share(storm, 0.5) / share(calm, 0.5)).toFixed(2)}, ${late.toFixed(2)}`),
  ];
  const what = `p99 of report → command to another actuator, with / without one that hangs ≤ ${MOST}`;
  return {
    text: table(['report → command of another actuator', 'reports', 'p50 ms', 'p99 ms', 'most ms', 'p50, p99 / nobody hangs'], rows),
    aims: [
      { what, measured: spread(ratio(0.99)), met: median(ratio(0.99)) <= MOST },
      { what: `… while ${count(pending)} commands become overdue`, measured: late.toFixed(2), met: late <= MOST },
    ],
    errors: faults,
  };
}
