// What every run of the bench prints: on which machine it was, and last its aims and errors.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Findings, median, ms, table } from './findings.ts';

/** @param node its version and flags, and what else is to be known of the run */
export function head(node: string, quick: boolean): string {
  const [{ model } = { model: 'unknown' }] = cpus();
  return [
    `${new Date().toISOString().slice(0, 16)}Z · ${availableParallelism()} CPUs (${model.trim()}) · load ${loadavg()[0]?.toFixed(1)} before`,
    `${node} · fdatasync ${ms(syncTime())} ms · medians${quick ? ' · quick' : ''}`,
  ].join('\n');
}

/** @returns the exit code: an aim that is missed is no failure, an error is one */
export function conclude(found: readonly Findings[]): number {
  const aims = found.flatMap((findings) => findings.aims);
  const errors = found.flatMap((findings) => findings.errors);
  const rows = [...aims, { what: 'no errors', measured: String(errors.length), met: errors.length === 0 }];
  console.log(
    `\n${table(
      ['aim', 'measured', ''],
      rows.map(({ what, measured, met }) => [what, measured, met ? 'ok' : 'MISSED']),
    )}`,
  );
  for (const error of errors) console.error(`error: ${error}`);
  return errors.length === 0 ? 0 : 1;
}

/** What making 4 KiB durable takes here, in milliseconds: no durable answer can be faster. */
function syncTime(): number {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  const fd = openSync(join(dir, 'sync'), 'w');
  const times = Array.from({ length: 50 }, () => {
    const from = performance.now();
    writeSync(fd, Buffer.alloc(4096));
    fdatasyncSync(fd);
    return performance.now() - from;
  });
  closeSync(fd);
  rmSync(dir, { recursive: true });
  return median(times);
}
