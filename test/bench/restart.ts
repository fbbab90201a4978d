// What a large store costs when it is not being written to: making it again out of its log, and starting on it.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { checkpointPath, filesOf } from '../../src/audit/segments.ts';
import { type Program, residentBytes } from '../support/program.ts';
import { runCli } from './command.ts';
import { type Findings, count, mb, median, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { STORED, batch, get } from './requests.ts';
import { ask, startRecorder, totalOf } from './servers.ts';

const BATCH = 1000;
const TIMES = 7;
const MOST = 1.5;

export async function measureRestart(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const { incidents, records } = quick ? { incidents: 20_000, records: 100_000 } : { incidents: 200_000, records: 1_000_000 };
  const [large, fresh] = [await startRecorder(scope), await startRecorder(scope)];
  const faults: string[] = [];
  const fill = async (batches: number) => {
    const flooded = await generator.flood({ port: large.port, connections: 1, requests: [batch(STORED, BATCH)], limit: batches });
    if (flooded.fault !== null) throw new Error(flooded.fault);
    return flooded.per_second * BATCH;
  };

  const perSecond = await fill(incidents / BATCH);
  await large.end('SIGTERM');
  const rebuilt = await rebuildOf(large);
  if (rebuilt.incidents !== incidents) faults.push(`${incidents} incidents were reported, ${rebuilt.incidents} are in the rebuilt store`);

  await large.start();
  while (signed(large) < records) await fill(Math.max(1, Math.round(incidents / BATCH / 10)));
  const kept = await totalOf(large);
  // What was just written is on its way to the disk for a while, and an fsync would wait for all of it.
  execFileSync('sync');
  const starts = [large, fresh].map((program) => ({ program, times: [] as number[] }));
  for (let n = 0; n < TIMES; n += 1) {
    // Each is the first one as often as the second.
    for (const { program, times } of n % 2 === 0 ? starts : starts.toReversed()) {
      await program.end('SIGTERM');
      const from = performance.now();
      await program.start();
      await ask(program.port, get('/health'));
      times.push(performance.now() - from);
    }
  }
  if ((await totalOf(large)) !== kept) faults.push(`${kept} incidents were kept, ${await totalOf(large)} are there after a start`);
  const [one = Number.NaN, none = Number.NaN] = starts.map(({ times }) => median(times));
  const ratio = one / none;
  const bytes = filesOf(large.auditPath).reduce((sum, file) => sum + statSync(file).size, 0);
  const text = [
    table(
      ['`rebuild`', ''],
      [
        [
          `${count(incidents)} incidents, ${count(rebuilt.records)} records, ${count(rebuilt.bytes / 1e6)} MB of log`,
          `${rebuilt.seconds.toFixed(1)} s`,
        ],
        ['incidents/s', count(incidents / rebuilt.seconds)],
        ['the service, to which they came as lines', `${count(perSecond)}/s`],
        ['`audit verify` of the same log', `${rebuilt.verified_s.toFixed(1)} s`],
        ['at most resident', mb(rebuilt.peak_bytes)],
      ],
    ),
    '',
    table(
      ['start to the first answer of /health', 'ms', 'ratio'],
      [
        ['nothing stored', count(none), ''],
        [`${count(signed(large))} records of ${count(kept)} incidents, ${count(bytes / 1e6)} MB of log`, count(one), ratio.toFixed(2)],
      ],
    ),
    `\nWith these it has ${mb(residentBytes(large.pid))} resident when it answers.`,
  ].join('\n');
  return {
    text,
    aims: [{ what: `start: ${count(records)} records / none ≤ ${MOST}`, measured: ratio.toFixed(2), met: ratio <= MOST }],
    errors: faults,
  };
}

/** How many records the newest checkpoint covers. */
function signed({ auditPath }: Program): number {
  return Number(readFileSync(checkpointPath(auditPath), 'utf8').split('\n')[1]);
}

/** The store of a recorder that has ended, made again beside it. */
async function rebuildOf({ dir, auditPath }: Program) {
  const to = join(dir, 'rebuilt.db');
  const verified = await runCli(['audit', 'verify', auditPath]);
  const { seconds, peak_bytes } = await runCli(['rebuild', auditPath, '--to', to]);
  const db = new Database(to, { readonly: true });
  const counted = (of: string) => db.prepare<[], number>(`SELECT count(*) FROM ${of}`).pluck().get() ?? 0;
  const [incidents, records] = [counted('incidents'), counted('records')];
  db.close();
  rmSync(to);
  const bytes = filesOf(auditPath).reduce((sum, file) => sum + statSync(file).size, 0);
  return { seconds, peak_bytes, verified_s: verified.seconds, incidents, records, bytes };
}
