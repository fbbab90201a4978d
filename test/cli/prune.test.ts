// `audit prune` as it is called: what goes, what stays, what is refused, and that the log can still be verified, rebuilt and written.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { extendsTree, includes } from '../../src/audit/merkle.ts';
import { filesOf, oldSegmentsOf } from '../../src/audit/segments.ts';
import { rebuild } from '../../src/ledger/rebuild.ts';
import { compareStores } from '../../src/store/compare.ts';
import { type TestHouse, aReport, createClock, openTestHouse } from '../support/house.ts';
import { ROOT } from '../support/program.ts';

/** Files end by their size only, however the clock is moved. */
const ENV = { AUDIT_ROTATE_BYTES: '100000', AUDIT_ROTATE_AGE: '9999d' };
const CLI = join(ROOT, 'dist/cli.js');
const run = promisify(execFile);
const logOf = ({ dir }: TestHouse) => join(dir, 'audit.jsonl');

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function cli(house: TestHouse, ...args: string[]): Promise<Ran> {
  const env = {
    AUDIT_LOG_PATH: logOf(house),
    CONTAINMENT_POLICY_PATH: join(house.dir, 'policy.yaml'),
    CHECKPOINT_ORIGIN: 'test/incident-recorder',
    STORE_RESERVE_BYTES: '0',
  };
  try {
    return { code: 0, ...(await run(process.execPath, [CLI, ...args], { env })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ran;
    return { code, stdout, stderr };
  }
}

const keyOf = (house: TestHouse) => String(house.logged.findLast(({ message }) => message === 'listening')?.['key']);

/** Four files, of March: some incidents in each, the first of them resolved, all but one of the rest open. */
async function withFiles(house: TestHouse, clock: ReturnType<typeof createClock>): Promise<string[]> {
  const ids: string[] = [];
  const report = async (more: Record<string, unknown> = {}) => {
    const { body } = await house.post('/api/v1/incidents/report', aReport({ class: 'tool_call_burst', ...more })).expect(201);
    ids.push(body.id);
  };
  await report({ description: 'stays open', dedup_key: 'the first' });
  await report({ description: 'resolved' });
  await house.post('/api/v1/incidents/resolve', { id: ids[1], resolution: 'test' }).expect(200);
  while (oldSegmentsOf(logOf(house)).length < 3) {
    await report({ evidence: { text: 'x'.repeat(14_000) } });
    await new Promise((resolve) => setTimeout(resolve, 20));
    clock.advance(3_600_000);
  }
  await report({ description: 'the newest' });
  return ids;
}

describe('audit prune', () => {
  it('lets whole old files go; what is unresolved is told again; the log is verified, rebuilt, proven and written as before', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ env: ENV, now: clock.now });
    const ids = await withFiles(house, clock);
    const shown = async (id: string) => (await house.get(`/api/v1/incidents/${id}`).expect(200)).body as unknown;
    const open = await shown(String(ids[0]));
    const [first, second] = oldSegmentsOf(logOf(house)).map(({ path }) => path);
    const running = await cli(house, 'audit', 'prune', '--before', '2026-06-01');
    expect(running).toMatchObject({ code: 1, stderr: expect.stringContaining('in use by another recorder') });
    await house.close();
    const held = readFileSync(`${logOf(house)}.checkpoint`, 'utf8');
    writeFileSync(join(house.dir, 'held'), held);

    const third = oldSegmentsOf(logOf(house))[2];
    const [line = ''] = readFileSync(String(third?.path), 'utf8').split('\n');
    const before = new Date(Date.parse((JSON.parse(line) as { ts: string }).ts) + 1).toISOString();
    const pruned = await cli(house, 'audit', 'prune', '--before', before);
    expect(pruned).toMatchObject({ code: 0, stderr: '' });
    expect(pruned.stdout).toBe(
      `records 1 to ${Number(third?.first) - 1} were pruned; the log tells so itself\nremoved ${first}\nremoved ${second}\n`,
    );
    expect([first, second].map((path) => existsSync(String(path)))).toEqual([false, false]);

    // Verified, also by what was held before and by what is published now.
    const key = keyOf(house);
    const verified = await cli(house, 'audit', 'verify', '--pubkey', key, '--checkpoint', join(house.dir, 'held'));
    expect(verified.stdout).toContain(`records 1 to ${Number(third?.first) - 1} were pruned, as the log itself tells`);
    expect(verified.code).toBe(0);
    expect((await cli(house, 'audit', 'verify', '--pubkey', key)).code).toBe(0);

    // Rebuilt, it is the store.
    const copy = join(house.dir, 'rebuilt.db');
    await rebuild({ files: filesOf(logOf(house)), path: copy });
    expect(compareStores(join(house.dir, 'incidents.db'), copy)).toEqual([]);

    // It goes on: what was open is there and joined, what was resolved is gone.
    await house.restart();
    expect(await shown(String(ids[0]))).toEqual(open);
    await house.get(`/api/v1/incidents/${ids[1]}`).expect(404);
    const joined = await house.post('/api/v1/incidents/report', aReport({ class: 'tool_call_burst', dedup_key: 'the first' }));
    expect(joined.body).toMatchObject({ id: ids[0], occurrences: 2 });
    const until = async () => (await house.http.get('/health')).body.checks.audit as string;
    while ((await until()) === 'verifying') await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await until()).toBe('ok');
    // Proofs go on working, for what is gone too.
    const at = Number(held.split('\n')[1]);
    const gone = (await house.get(`/api/v1/audit/proof/inclusion?seq=5&size=${at}`).expect(200)).body;
    expect(includes(gone.leaf, 4, { size: gone.size, root: gone.root }, gone.proof)).toBe(true);
    expect(Buffer.from(String(held.split('\n')[2]), 'base64').toString('hex')).toBe(gone.root);
    const { from, to, from_root, to_root, proof } = (await house.get(`/api/v1/audit/proof/consistency?from=${at}`).expect(200)).body;
    expect(extendsTree({ size: from, root: from_root }, { size: to, root: to_root }, proof)).toBe(true);
    const records = await house.get('/api/v1/audit/records?limit=1').expect(200);
    expect(JSON.parse(records.text)).toMatchObject({ seq: third?.first });

    await house.close();
    expect((await cli(house, 'audit', 'verify', '--pubkey', key)).code).toBe(0);
    const again = await cli(house, 'audit', 'prune', '--before', before);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('no file of the log holds only records from before') });
  }, 60_000);

  it('finishes what was cut short, and leaves the files of it alone at a start', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ env: ENV, now: clock.now });
    await withFiles(house, clock);
    await house.close();
    const all = oldSegmentsOf(logOf(house)).map(({ path }) => path);
    for (const path of all) writeFileSync(`${path}.kept`, readFileSync(path));
    expect((await cli(house, 'audit', 'prune', '--before', '2026-06-01', '--json')).code).toBe(0);
    for (const path of all) if (!existsSync(path)) renameSync(`${path}.kept`, path);
    await house.restart();
    expect(house.logged.filter(({ message }) => message.includes('damaged'))).toEqual([]);
    await house.close();
    expect((await cli(house, 'audit', 'verify', '--pubkey', keyOf(house))).code).toBe(0);
    const { stdout } = await cli(house, 'audit', 'prune', '--before', '2026-06-01', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ records: null, files: all });
    expect(all.filter((path) => existsSync(path))).toEqual([]);
  }, 60_000);

  it('refuses what no checkpoint covers, what is too young, what is no instant, and where nothing is', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ env: ENV, now: clock.now });
    expect(await cli(house, 'audit', 'prune', '--before', 'yesterday')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--before yesterday'),
    });
    expect(await cli(house, 'audit', 'prune')).toMatchObject({ code: 2 });
    await withFiles(house, clock);
    await house.close();
    expect(await cli(house, 'audit', 'prune', '--before', new Date().toISOString())).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('24 hours'),
    });
    const note = readFileSync(`${logOf(house)}.checkpoint`, 'utf8');
    for (const spoilt of [null, note.replace('test/', 'best/'), 'rubbish']) {
      if (spoilt === null) rmSync(`${logOf(house)}.checkpoint`);
      else writeFileSync(`${logOf(house)}.checkpoint`, spoilt);
      expect(await cli(house, 'audit', 'prune', '--before', '2026-06-01')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('no checkpoint of ours'),
      });
    }
    expect(oldSegmentsOf(logOf(house))).toHaveLength(3);
    rmSync(join(house.dir, 'incidents.db'));
    expect(await cli(house, 'audit', 'prune', '--before', '2026-06-01')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such database'),
    });
    expect(existsSync(join(house.dir, 'incidents.db'))).toBe(false);
  }, 60_000);
});
