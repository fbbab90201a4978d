// What many live holds cost: deciding a report, a start, memory, the upkeep of a second, and looking at them.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Program, residentBytes } from '../support/program.ts';
import { CLASSES, folderWith, policyOf, startOn } from './commanding.ts';
import { peakBytes } from './command.ts';
import type { Bare, Field } from './field.ts';
import { type Aim, type Findings, count, mb, median, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { hold } from './held-store.ts';
import { numbered } from './numbered.ts';
import { get, waitingReport } from './requests.ts';
import { ask, totalOf } from './servers.ts';
import { share } from './shares.ts';

const MOST = 1.3;
const MOST_BYTES = 120e6;
const TIMES = 400;
const STARTS = 5;
/** One source that has many more holds than others. */
const MAX_HOLDS = 1_000_000;

export async function measureHolds(
  scope: AsyncDisposableStack,
  generator: Generator,
  field: Field,
  bare: Bare,
  quick: boolean,
): Promise<Findings> {
  const holds = quick ? 20_000 : 100_000;
  const policy = policyOf({ block_ip: await field.open('holder', null) }, { max_holds: MAX_HOLDS });
  const dirs = [folderWith(scope, policy), folderWith(scope, policy)] as const;
  const programs = [await startOn(scope, dirs[0]), await startOn(scope, dirs[1])] as const;
  await programs[1].end('SIGTERM');
  const from = performance.now();
  await hold(dirs[1], policy, holds);
  const made_s = (performance.now() - from) / 1000;
  const upkeep = await bare.upkeep(join(dirs[1], 'incidents.db'), 'does_block_ip', 15);
  await programs[1].start();
  const faults: string[] = [];
  const kept = await totalOf(programs[1]);
  if (kept !== holds) faults.push(`${holds} holds were made, ${kept} incidents are kept`);

  const starts = await startsOf(programs);
  const fresh = residentBytes(programs[1].pid);
  const idle = [await quiet(field, programs[0]), await quiet(field, programs[1])] as const;
  const none = await bare.upkeep(join(folderWith(scope, policy), 'incidents.db'), 'does_block_ip', 15);
  const compare = async (name: string, requests: readonly string[]) => {
    const ports = [programs[0].port, programs[1].port] as const;
    const compared = await generator.compare({ ports, times: TIMES, steps: [{ name, requests: [requests, requests] }] });
    if (compared.fault !== null) faults.push(`${name}: ${compared.fault}`);
    const [one, other] = compared.steps[0]?.p50_ms ?? [Number.NaN, Number.NaN];
    return { name, one, other, ratio: other / one };
  };
  const reports = (className: string, first: number) => {
    return Array.from({ length: TIMES + 20 }, (_, n) => waitingReport(numbered(className, first + n).body, 0));
  };
  const crowded = (first: number) =>
    Array.from({ length: TIMES + 20 }, (_, n) => waitingReport({ ...numbered(CLASSES.blocks, first + n).body, source: 'crowd' }, 0));
  const rates = [
    await compare('a report that opens a hold', reports(CLASSES.blocks, holds)),
    await compare('… of a source that has a tenth of them', crowded(holds + 2 * TIMES)),
    await compare('a report that opens one without an actuator', reports(CLASSES.slows, 0)),
    await compare('a report that joins one', reports(CLASSES.freezes, 0)),
    await compare('GET /api/v1/holds', [get('/api/v1/holds')]),
    await compare('GET /api/v1/holds?status=failed', [get('/api/v1/holds?status=failed')]),
    await compare('GET /api/v1/commands?status=pending', [get('/api/v1/commands?status=pending')]),
    await compare('GET /health', [get('/health')]),
  ];
  await sleep(1000);
  const [resident, peak] = [residentBytes(programs[1].pid), peakBytes(programs[1].pid)];
  const text = [
    table(
      ['p50 of one request, ms', 'no live holds', `${count(holds)} live holds`, 'ratio'],
      rates.map(({ name, one, other, ratio }) => [name, ms(one), ms(other), ratio.toFixed(2)]),
    ),
    '',
    table(
      ['', 'no live holds', `${count(holds)} live holds`, 'ratio'],
      [
        ['start to the first answer of /health, ms', count(starts[0]), count(starts[1]), (starts[1] / starts[0]).toFixed(2)],
        ['GET /health while nothing else is asked for, p99 ms', ms(share(idle[0], 0.99)), ms(share(idle[1], 0.99)), ''],
        ['… at most', ms(Math.max(...idle[0])), ms(Math.max(...idle[1])), ''],
        ...Object.entries(upkeep).map(([name, took]) => [`\`${name}\`, ms`, ms(none[name] ?? Number.NaN), ms(took), '']),
        ['resident when it listens', '', mb(fresh), ''],
        ['resident at the end; at most', mb(residentBytes(programs[0].pid)), `${mb(resident)}; ${mb(peak)}`, ''],
      ],
    ),
    `\nThe ${count(holds)} were made by the write path, without its doors, at ${count(holds / made_s)} a second.`,
  ].join('\n');
  const aims: Aim[] = rates.slice(0, 4).map(({ name, ratio }) => {
    return { what: `${name}: ${count(holds)} / no live holds ≤ ${MOST}`, measured: ratio.toFixed(2), met: ratio <= MOST };
  });
  aims.push({
    what: `resident with ${count(holds)} live holds ≤ ${mb(MOST_BYTES)}`,
    measured: `${mb(resident)}; at most ${mb(peak)}`,
    met: peak <= MOST_BYTES,
  });
  return { text, aims, errors: faults };
}

async function startsOf(programs: readonly [Program, Program]): Promise<[number, number]> {
  execFileSync('sync');
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n < STARTS; n += 1) {
    for (const which of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      await programs[which].end('SIGTERM');
      const from = performance.now();
      await programs[which].start();
      await ask(programs[which].port, get('/health'));
      times[which].push(performance.now() - from);
    }
  }
  return [median(times[0]), median(times[1])];
}

const QUIET_S = 12;

/** As long as each of its chores comes at least once. */
async function quiet(field: Field, { port }: Program): Promise<readonly number[]> {
  return field.watch({ port, path: '/health', every_ms: 4, seconds: QUIET_S });
}
