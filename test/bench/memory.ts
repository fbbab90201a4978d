// What the recorder holds resident after many reports, and how fast it takes them as lines.

import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../support/program.ts';
import { peakBytes } from './command.ts';
import { type Findings, count, mb, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { REPORTS, batch, report } from './requests.ts';
import { startRecorder, totalOf } from './servers.ts';

const MOST_BYTES = 110e6;
const BATCH = 1000;

export async function measureMemory(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const { reports, lines } = quick ? { reports: 10_000, lines: 10_000 } : { reports: 50_000, lines: 50_000 };
  const recorder = await startRecorder(scope);
  const fresh = residentBytes(recorder.pid);
  const single = await generator.flood({ port: recorder.port, connections: 64, requests: REPORTS.map(report), limit: reports });
  await sleep(1000);
  const resident = residentBytes(recorder.pid);
  const batched = await generator.flood({ port: recorder.port, connections: 1, requests: [batch(REPORTS, BATCH)], limit: lines / BATCH });
  const peak = peakBytes(recorder.pid);

  const errors = [single, batched].flatMap(({ fault }) => (fault === null ? [] : [fault]));
  const [kept, reported] = [await totalOf(recorder), single.answered + batched.answered * BATCH];
  if (kept !== reported) errors.push(`${reported} reports were answered, ${kept} incidents are kept`);
  const text = table(
    ['the recorder', ''],
    [
      ['resident when it listens', mb(fresh)],
      [`resident after ${count(reports)} reports over 64 connections`, mb(resident)],
      [`at most, up to and with ${count(lines)} more as lines, ${count(BATCH)} a request`, mb(peak)],
      ['reports/s as lines', count(batched.per_second * BATCH)],
    ],
  );
  const what = `resident after ${count(reports)} reports ≤ ${mb(MOST_BYTES)}`;
  return { text, aims: [{ what, measured: mb(resident), met: resident <= MOST_BYTES }], errors };
}
