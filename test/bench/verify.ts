// How fast a long log is verified, against what hashing the same bytes takes on this machine.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointPath } from '../../src/audit/segments.ts';
import { type Ran, run, runCli } from './command.ts';
import { type Findings, count, mb, median, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { writeSealedLog } from './sealed.ts';

const MOST_BYTES = 110e6;

export async function measureVerify(scope: AsyncDisposableStack, _: Generator, quick: boolean): Promise<Findings> {
  const { records, rounds } = quick ? { records: 100_000, rounds: 3 } : { records: 1_000_000, rounds: 3 };
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'audit.jsonl');
  const { bytes, verifierKey } = writeSealedLog(path, records);
  const held = ['--checkpoint', checkpointPath(path), '--pubkey', verifierKey];
  const runs: { name: string; least?: number; run: () => Promise<Ran> }[] = [
    { name: '`openssl dgst -sha256`', run: async () => run('openssl', ['dgst', '-sha256', path]) },
    { name: '`audit verify`', least: 0.4, run: async () => runCli(['audit', 'verify', path]) },
    { name: '`audit verify`, jitless', least: 0.2, run: async () => runCli(['audit', 'verify', path], ['--jitless']) },
    { name: '`audit verify --checkpoint --pubkey`', run: async () => runCli(['audit', 'verify', path, ...held]) },
  ];
  // Once unmeasured: what is measured is read out of memory, by whoever reads it.
  await runs[0]?.run();
  const all: Ran[][] = runs.map(() => []);
  for (let round = 0; round < rounds; round += 1) for (const [i, each] of runs.entries()) all[i]?.push(await each.run());

  const secondsOf = (i: number) => all[i]?.map(({ seconds }) => seconds) ?? [];
  const ratioOf = (i: number) => median(secondsOf(i).map((seconds, round) => (secondsOf(0)[round] ?? Number.NaN) / seconds));
  const peakOf = (i: number) => Math.max(...(all[i]?.map(({ peak_bytes }) => peak_bytes) ?? []));
  const rows = runs.map(({ name }, i) => {
    const seconds = median(secondsOf(i));
    return [name, seconds.toFixed(2), count(bytes / 1e6 / seconds), i === 0 ? '' : mb(peakOf(i)), i === 0 ? '' : ratioOf(i).toFixed(2)];
  });
  const what = `a log of ${count(records)} records, ${count(bytes / 1e6)} MB`;
  const most = Math.max(...[1, 2, 3].map(peakOf));
  return {
    text: table([what, 's', 'MB/s', 'at most resident', '/ openssl'], rows),
    aims: [
      ...runs.flatMap(({ name, least }, i) =>
        least === undefined ? [] : [{ what: `${name} / openssl ≥ ${least}`, measured: ratioOf(i).toFixed(2), met: ratioOf(i) >= least }],
      ),
      { what: `resident while it verifies ${count(records)} records ≤ ${mb(MOST_BYTES)}`, measured: mb(most), met: most <= MOST_BYTES },
    ],
    errors: [],
  };
}
