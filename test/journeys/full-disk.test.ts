// The program fills its disk by what it is told, and goes on with what cannot wait; when the disk is given room, all goes on by itself.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFolder } from '../support/folder.ts';
import { SERVICE_TOKEN, aReport } from '../support/house.ts';
import type { Answer } from '../support/load.ts';
import { type Program, startProgram } from '../support/program.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';
import { faultsOf } from '../support/truth.ts';

const KIB = 1024;
const evidence = { a: 'x'.repeat(16_000), b: 'x'.repeat(8_000) };
/** By the policy that is shipped this one waits for an operator, and that one freezes, disables and locks. */
const ORDINARY = aReport({ class: 'forbidden_airlock_request', evidence });
const CONTAINING = aReport({ class: 'attestation_failure', evidence });

async function post({ url }: Program, path: string, body: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/api/v1/incidents/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

const statusOf = async ({ url }: Program, path: string) => (await fetch(url + path)).status;
const healthOf = async ({ url }: Program) =>
  (await (await fetch(`${url}/health`)).json()) as { status: string; checks: Record<string, string> };
const said = (program: Program, words: string) =>
  program
    .output()
    .split('\n')
    .filter((line) => line.includes(words)).length;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Reports until one is refused; those that were taken. */
async function report(program: Program, body: unknown): Promise<Answer[]> {
  const taken: Answer[] = [];
  for (;;) {
    const answer = await post(program, 'report', body);
    if (answer.status !== 201) {
      expect([answer.status, answer.body.code]).toEqual([503, 'storage_full']);
      return taken;
    }
    taken.push(answer);
  }
}

describe('the disk of the store', () => {
  it.for([
    ['before its WAL was ever folded in', 4 * KIB, 600 * KIB, 3],
    ['after its WAL was folded in, which needs room too', 16 * KIB, 4 * KIB * KIB, 40],
  ] as const)(
    'filled by ordinary reports %s, has room for what contains, for operators and for reads',
    async ([, size, reserve, atLeast], { skip }) => {
      using disk = openSmallDisk(size);
      if (!disk) return skip(NO_SMALL_DISK);
      const database = join(disk.dir, 'incidents.db');
      await using program = await startProgram({ env: { DATABASE_PATH: database, STORE_RESERVE_BYTES: String(reserve) } });
      const held = () => statSync(`${database}.reserve`, { throwIfNoEntry: false })?.size ?? 0;
      await until(() => held() === reserve);
      expect(await statusOf(program, '/readyz')).toBe(200);

      const answers = await report(program, ORDINARY);
      expect(answers.length).toBeGreaterThan(10);
      expect([await statusOf(program, '/health'), await statusOf(program, '/readyz'), await statusOf(program, '/livez')]).toEqual([
        503, 503, 200,
      ]);
      expect(held()).toBe(reserve);

      const contained = await post(program, 'report', CONTAINING);
      expect(contained).toMatchObject({ status: 201, body: { state: 'contained' } });
      expect(held()).toBeLessThan(reserve);
      const resolved = await post(program, 'resolve', { id: contained.body.id });
      expect(resolved).toMatchObject({ status: 200, body: { state: 'resolved' } });
      expect((await post(program, 'report', ORDINARY)).status).toBe(503);
      expect(await statusOf(program, `/api/v1/incidents/${contained.body.id}`)).toBe(200);
      expect(await statusOf(program, '/api/v1/incidents?limit=200')).toBe(200);

      const more = await report(program, CONTAINING);
      expect(more.length).toBeGreaterThan(atLeast);
      expect([said(program, 'the disk is full: what can wait'), said(program, 'nothing is left of the reserve')]).toEqual([1, 1]);
      expect(await statusOf(program, '/api/v1/stats')).toBe(200);

      disk.grow(2 * size);
      await until(async () => (await statusOf(program, '/health')) === 200);
      expect(held()).toBe(reserve);
      answers.push(contained, resolved, ...more, await post(program, 'report', ORDINARY));
      expect(answers.at(-1)?.status).toBe(201);
      expect(faultsOf({ database, log: program.auditPath }, answers)).toEqual([]);
    },
  );

  it('that is full when the service starts is opened out of the reserve', async ({ skip }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    const database = join(disk.dir, 'incidents.db');
    const reserve = 600 * KIB;
    await using program = await startProgram({ env: { DATABASE_PATH: database, STORE_RESERVE_BYTES: String(reserve) } });
    await until(() => (statSync(`${database}.reserve`, { throwIfNoEntry: false })?.size ?? 0) === reserve);
    const answers = await report(program, ORDINARY);
    // Killed, so that its WAL is there at the next start, and what SQLite makes of it beside needs room.
    await program.end('SIGKILL');
    disk.fill();
    await program.start();
    expect([await statusOf(program, '/livez'), await statusOf(program, '/readyz')]).toEqual([200, 503]);
    expect((await post(program, 'report', ORDINARY)).status).toBe(503);
    answers.push(await post(program, 'report', CONTAINING));
    expect(answers.at(-1)?.status).toBe(201);
    expect(faultsOf({ database, log: program.auditPath }, answers)).toEqual([]);
  });

  it('that is full without a reserve takes nothing at all; the service refuses to start on it in words, and starts when there is room', async ({
    skip,
  }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    const database = join(disk.dir, 'incidents.db');
    await using program = await startProgram({ env: { DATABASE_PATH: database } });
    const { body } = await post(program, 'report', ORDINARY);
    disk.fill();
    expect([(await post(program, 'report', ORDINARY)).status, (await post(program, 'report', CONTAINING)).status]).toEqual([503, 503]);
    disk.free();
    // SQLite takes its WAL away when it ends well, so the next start has to write one.
    await program.end('SIGTERM');
    disk.fill();
    await expect(program.start()).rejects.toThrow(`the disk of ${database} is full: there is no room to open the store`);
    expect((await program.end('SIGCONT')).code).toBe(75);
    disk.free();
    await program.start();
    expect(await statusOf(program, `/api/v1/incidents/${body.id}`)).toBe(200);
  });
});

describe('the disk of the log', () => {
  it('filled by reports, keeps nobody from reporting: the log lags, and is a whole copy again when there is room', async ({ skip }) => {
    using disk = openSmallDisk(KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    using folder = openFolder();
    const kept = { database: join(folder.path, 'incidents.db'), log: join(disk.dir, 'audit.jsonl') };
    await using program = await startProgram({ env: { AUDIT_LOG_PATH: kept.log, DATABASE_PATH: kept.database } });
    const answers: Answer[] = [];
    while ((await healthOf(program)).checks['audit'] !== 'lagging') answers.push(await post(program, 'report', ORDINARY));
    for (let i = 0; i < 5; i += 1) answers.push(await post(program, 'report', i === 0 ? CONTAINING : ORDINARY));
    expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
    expect([await statusOf(program, '/health'), await statusOf(program, '/readyz')]).toEqual([200, 200]);
    expect(await healthOf(program)).toMatchObject({ status: 'degraded', checks: { store: 'ok', disk: 'ok' } });
    expect(faultsOf(kept, answers)).toEqual([expect.stringContaining('is no copy of')]);

    disk.grow(8 * KIB);
    await until(async () => (await healthOf(program)).status === 'ok');
    expect(faultsOf(kept, answers)).toEqual([]);
  });
});
