// Calls that the program makes on its store or its log fail, once or from then on: whatever it does, what it had answered is there.
import { cpSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Folder, openFolder } from '../support/folder.ts';
import { SERVICE_TOKEN, aReport } from '../support/house.ts';
import { type Answer, loadUntil, sendAll } from '../support/load.ts';
import { type Program, startProgram } from '../support/program.ts';
import { NO_STRACE, canTrace, traceOf, tracing } from '../support/strace.ts';
import { faultsOf, keptIn } from '../support/truth.ts';

/** What is failed: the files, and the calls that are made on them. */
const FILES = {
  store: ['incidents.db', 'incidents.db-wal', 'incidents.db-shm'],
  log: ['audit.jsonl'],
  both: ['incidents.db', 'incidents.db-wal', 'incidents.db-shm', 'audit.jsonl'],
} as const;
const CALLS = 'fsync,fdatasync,pwrite64,ftruncate';
type Of = keyof typeof FILES;
/** Where the program starts from: nothing at all, or a store whose WAL is folded in a few reports later. */
type From = 'an empty folder' | 'a full WAL';

/** SQLite folds the WAL in when it holds so many pages. */
const WAL_FULL = 1000 * 4120;
const REPORTS = Array.from({ length: 8 }, (_, i) => 10_000 + i);

let fullWal: Promise<{ folder: Folder; answers: Answer[] }> | undefined;
afterAll(async () => (await fullWal)?.folder[Symbol.dispose]());

async function makeFullWal(): Promise<{ folder: Folder; answers: Answer[] }> {
  const folder = openFolder();
  const answers: Answer[] = [];
  await using program = await startProgram({ dir: folder.path });
  const wal = () => statSync(join(folder.path, 'incidents.db-wal')).size;
  while (wal() < WAL_FULL - 25 * 4120) {
    const large = wal() < WAL_FULL - 80 * 4120;
    const evidence = large ? { a: 'x'.repeat(16_000), b: 'y'.repeat(16_000), c: 'z'.repeat(16_000) } : {};
    const headers = { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify(aReport({ class: 'forbidden_airlock_request', evidence }));
    const answer = await fetch(`${program.url}/api/v1/incidents/report`, { method: 'POST', headers, body });
    answers.push({ status: answer.status, body: (await answer.json()) as Answer['body'] });
  }
  return { folder, answers };
}

interface Fault {
  of: Of;
  from: From;
  calls: string;
  inject?: string;
}

interface Round {
  /** How it took it. */
  how: string;
  /** What is wrong once it has started again, on a disk that works. */
  faults: string[];
  trace: string[];
}

/** Starts it on a disk that fails, sends it reports one by one, ends it, and starts it again on one that does not. */
async function round({ of, from, calls, inject }: Fault): Promise<Round> {
  using folder = openFolder();
  const answers: Answer[] = [];
  if (from === 'a full WAL') {
    fullWal ??= makeFullWal();
    const template = await fullWal;
    cpSync(template.folder.path, folder.path, { recursive: true });
    rmSync(join(folder.path, 'incidents.db-shm'));
    answers.push(...template.answers);
  }
  const to = join(folder.path, 'trace');
  const under = tracing({ files: FILES[of].map((name) => join(folder.path, name)), calls, to, ...(inject && { inject }) });
  // One thread beside the main one, or each would count for itself.
  const failing = await startOn({ dir: folder.path, env: { UV_THREADPOOL_SIZE: '1' }, under });
  const faults: string[] = [];
  let how = 'refused to start';
  let trace: string[] = [];
  if (failing instanceof Error) {
    if (!failing.message.includes('"level":"critical"')) faults.push(`it did not start, and did not say why: ${failing.message}`);
  } else {
    answers.push(...(await sendAll(failing.port, REPORTS, 1)).answered.values());
    const { code, signal } = await failing.end('SIGTERM');
    how = code === 0 ? 'went on' : 'ended at once';
    if (code !== 0 && !failing.output().includes('; ending at once')) faults.push(`it ended with ${code ?? signal}: ${failing.output()}`);
    trace = await traceOf(to, failing.pid);
    await failing[Symbol.asyncDispose]();
  }
  if (inject && !readFileSync(to, 'utf8').includes('(INJECTED)')) faults.push('nothing failed');
  const other = answers.filter(({ status, body }) => status > 201 && !['storage_full', 'storage_failed'].includes(body.code ?? ''));
  faults.push(...other.map(({ status }) => `a report was answered with ${status}`));

  const again = await startOn({ dir: folder.path });
  if (again instanceof Error) return { how, faults: [...faults, `it did not start again: ${again.message}`], trace };
  faults.push(...faultsOf(keptIn(again), answers));
  await again[Symbol.asyncDispose]();
  return { how, faults, trace };
}

async function startOn(options: Parameters<typeof startProgram>[0]): Promise<Program | Error> {
  return startProgram(options).catch((error: unknown) => error as Error);
}

/** How often each call is made when nothing fails. */
const counted = new Map<string, Promise<Map<string, number>>>();
async function countOf(of: Of, from: From, calls: string): Promise<number> {
  const key = `${of} ${from}`;
  if (!counted.has(key)) {
    const count = async () => {
      const { how, faults, trace } = await round({ of, from, calls: CALLS });
      expect([how, faults]).toEqual(['went on', []]);
      // The WAL is folded in while reports come, not only at the end.
      const folds = trace.findIndex((line) => /pwrite64\(\d+<[^>]*incidents\.db>/.test(line));
      const commits = trace.findLastIndex((line) => /pwrite64\(\d+<[^>]*incidents\.db-wal>/.test(line));
      if (of === 'store') expect(folds > 0 && folds < commits).toBe(from === 'a full WAL');
      return Map.groupBy(trace, (line) => / ([a-z0-9_]+)\(/.exec(line)?.[1] ?? '');
    };
    counted.set(
      key,
      count().then((groups) => new Map([...groups].map(([call, lines]) => [call, lines.length]))),
    );
  }
  const counts = await counted.get(key);
  return calls.split(',').reduce((sum, call) => sum + (counts?.get(call) ?? 0), 0);
}

/** So many of the calls 1 to `count`, the first and the last among them. */
function spread(count: number, points: number): number[] {
  return [...new Set(Array.from({ length: points }, (_, i) => 1 + Math.round((i * (count - 1)) / Math.max(1, points - 1))))];
}

const SWEEPS: [of: Of, from: From, calls: string, error: string, when: '' | '+', points: number][] = [
  ['store', 'an empty folder', 'fsync,fdatasync', 'EIO', '', 5],
  ['store', 'an empty folder', 'pwrite64', 'EIO', '', 4],
  ['store', 'an empty folder', 'pwrite64', 'ENOSPC', '+', 4],
  ['store', 'an empty folder', 'ftruncate', 'EIO', '+', 1],
  ['store', 'a full WAL', 'fsync,fdatasync', 'EIO', '', 6],
  ['store', 'a full WAL', 'pwrite64', 'EIO', '', 8],
  ['store', 'a full WAL', 'pwrite64', 'EIO', '+', 3],
  ['store', 'a full WAL', 'pwrite64', 'ENOSPC', '+', 8],
  ['log', 'a full WAL', 'fsync,fdatasync', 'EIO', '', 1],
  ['log', 'a full WAL', 'pwrite64', 'ENOSPC', '+', 3],
  ['log', 'an empty folder', 'pwrite64', 'EIO', '', 3],
];

describe('a disk that fails', () => {
  it.for(SWEEPS)(
    'under the %s, starting from %s, in any %s by %s%s: loses nothing that was answered, and starts again on one that works',
    { timeout: 60_000 },
    async ([of, from, calls, error, when, points], { skip }) => {
      if (!canTrace()) return skip(NO_STRACE);
      const numbers = spread(await countOf(of, from, calls), points);
      const found: string[] = [];
      const worker = async () => {
        for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) {
          const { how, faults } = await round({ of, from, calls, inject: `error=${error}:when=${n}${when}` });
          found.push(...faults.map((fault) => `call ${n}, it ${how}: ${fault}`));
        }
      };
      await Promise.all([worker(), worker()]);
      expect(found).toEqual([]);
    },
  );

  it('under both without saying so cannot be survived, and is seen here: what was never written is missed', async ({ skip }) => {
    if (!canTrace()) return skip(NO_STRACE);
    const n = Math.round((await countOf('store', 'an empty folder', 'pwrite64')) * 0.6);
    const { faults } = await round({ of: 'both', from: 'an empty folder', calls: 'pwrite64', inject: `retval=4096:when=${n}+` });
    expect(faults.join('\n')).toMatch(/was answered and is not in the store|integrity_check says|did not start again/);
  }, 30_000);

  it('in every fsync of the store ends the program at once with nobody of 64 answered, and its next start finds everything that was', async ({
    skip,
  }) => {
    if (!canTrace()) return skip(NO_STRACE);
    using folder = openFolder();
    const files = [join(folder.path, 'incidents.db-wal')];
    const under = tracing({ files, calls: 'fsync,fdatasync', inject: 'error=EIO:when=20+', to: join(folder.path, 'trace') });
    await using failing = await startProgram({ dir: folder.path, under });
    const load = await loadUntil(failing.port, { connections: 64, enough: Infinity });
    const { code } = await failing.end('SIGCONT'); // it ends by itself; this only waits for it
    expect(code).toBe(1);
    expect(failing.output()).toContain('the disk failed to keep what it was given; ending at once');
    expect(load.answered.size).toBeGreaterThan(0);
    expect(load.unanswered.length).toBe(64);
    await using again = await startProgram({ dir: folder.path });
    expect(faultsOf(keptIn(again), load.answered.values())).toEqual([]);
  });
});
