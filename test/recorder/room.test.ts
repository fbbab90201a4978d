// On a full disk what contains and what operators do is still recorded, out of the reserve, which nothing else may take.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import Database from 'better-sqlite3';
import type { Draft } from '../../src/recorder/draft.ts';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { NO_SMALL_DISK, type SmallDisk, openSmallDisk } from '../support/small-disk.ts';
import { verifyLog } from '../support/verify-log.mjs';
import { type WritePath, openWritePath } from '../support/write-path.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const KIB = 1024;
const RESERVE = 600 * KIB;
const POLICY = 'version: 1\nrules:\n  prompt_injection: {auto_contain: true, actions: [freeze_agent]}\n';
const REPORT = '/api/v1/incidents/report';
const ordinary = aReport({ class: 'tool_call_burst', evidence: { padding: 'x'.repeat(8000) } });
const containing = aReport({ evidence: { padding: 'x'.repeat(8000) } });

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** A recorder whose store has a small disk to itself, and whose reserve is built. */
async function openOn(disk: SmallDisk): Promise<TestHouse & { reserve(): number }> {
  const env = { DATABASE_PATH: join(disk.dir, 'incidents.db'), STORE_RESERVE_BYTES: String(RESERVE) };
  const house = await openTestHouse({ policy: POLICY, env });
  const reserve = () => statSync(`${env.DATABASE_PATH}.reserve`, { throwIfNoEntry: false })?.size ?? 0;
  await until(() => reserve() === RESERVE);
  return Object.assign(house, { reserve });
}

const said = (house: TestHouse, words: string) => house.logged.filter(({ message }) => message.includes(words)).length;

describe('on a full disk', () => {
  it('ordinary reports are refused and leave nothing; what contains and what operators do is recorded from the reserve', async ({
    skip,
  }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openOn(disk);
    const { body: first } = await house.post(REPORT, ordinary).expect(201);
    await house.get('/health').expect(200);
    disk.fill();
    const before = house.records().length;
    const refused = await house.post(REPORT, ordinary).expect(503);
    expect(refused.body).toMatchObject({ code: 'storage_full' });
    expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    expect([house.records().length, house.reserve()]).toEqual([before, RESERVE]);
    expect((await house.get('/health').expect(503)).body.checks).toMatchObject({ disk: 'full', store: 'ok' });

    const { body: contained } = await house.post(REPORT, containing).expect(201);
    expect(contained).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
    expect(house.reserve()).toBeLessThan(RESERVE);
    await house.post('/api/v1/incidents/resolve', { id: first.id, note: 'full' }).expect(200);
    await house.post(`/api/v1/incidents/${contained.id}/notes`, { note: 'full' }).expect(200);
    await house.post('/api/v1/reload', {}).expect(200);

    // A piece of the reserve is room on the disk now, and still not theirs.
    const held = house.reserve();
    expect((await house.post(REPORT, ordinary).expect(503)).body.detail).toContain('only what contains is taken');
    await house.get('/readyz').expect(503);
    await house.get('/health').expect(503);
    await house.get('/api/v1/incidents').expect(200);
    await house.get(`/api/v1/incidents/${contained.id}/timeline`).expect(200);
    expect(house.reserve()).toBe(held);
    expect(said(house, 'the disk is full')).toBe(1);

    disk.free();
    await until(async () => (await house.get('/health')).status === 200);
    expect(house.reserve()).toBe(RESERVE);
    await house.post(REPORT, ordinary).expect(201);
    expect([said(house, 'the disk is full'), said(house, 'the disk has room again')]).toEqual([1, 1]);
    expect(said(house, 'upkeep failed')).toBe(0);
    expect(verifyLog(join(house.dir, 'audit.jsonl'))).toMatchObject({ fault: null, torn: false });
  });

  it('the reserve is spent piece by piece; then what contains is refused too, and that is said once', async ({ skip }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openOn(disk);
    disk.fill();
    const sizes = new Set<number>();
    let kept = 0;
    while ((await house.post(REPORT, containing)).status === 201) {
      sizes.add(house.reserve());
      kept += 1;
    }
    expect([...sizes].map((size) => size / KIB)).toEqual([344, 88, 4]);
    expect(kept).toBeGreaterThan(5);
    const records = house.records().length;
    for (let i = 0; i < 3; i += 1) expect((await house.post(REPORT, containing).expect(503)).body).toMatchObject({ code: 'storage_full' });
    expect(house.records()).toHaveLength(records);
    expect(said(house, 'nothing is left of the reserve')).toBe(1);
    expect((await house.get('/api/v1/stats').expect(200)).body).toMatchObject({ total_incidents: kept });
  });

  it('a batch of all kinds is sorted: each that contains is kept, each that can wait refused', async ({ skip }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openOn(disk);
    disk.fill();
    const answers = await Promise.all(Array.from({ length: 12 }, async (_, i) => house.post(REPORT, i % 3 === 0 ? containing : ordinary)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 201 : 503)));
    expect((await house.get('/api/v1/stats').expect(200)).body).toMatchObject({ total_incidents: 4 });
  });

  it('the recorder starts out of the reserve, and is as full as it was', async ({ skip }) => {
    using disk = openSmallDisk(4 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openOn(disk);
    const { body } = await house.post(REPORT, ordinary).expect(201);
    await house.close();
    disk.fill();
    await house.restart();
    expect(house.reserve()).toBeLessThan(RESERVE);
    await house.get(`/api/v1/incidents/${body.id}`).expect(200);
    await house.get('/health').expect(503);
    await house.post(REPORT, ordinary).expect(503);
    await house.post(REPORT, containing).expect(201);
    expect(house.records().filter(({ type }) => type === 'service.started')).toHaveLength(2);
    await house.close();

    // Some room is made by itself when the store is closed: it is not for what can wait.
    await house.restart();
    await house.get('/health').expect(503);
    await house.post(REPORT, ordinary).expect(503);
    disk.free();
    await until(async () => (await house.get('/health')).status === 200);
    await house.post(REPORT, ordinary).expect(201);
  });

  it('the recorder without a reserve says at its start that there is no room, and starts when there is', async ({ skip }) => {
    using disk = openSmallDisk(2 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openTestHouse({ env: { DATABASE_PATH: join(disk.dir, 'incidents.db') } });
    await house.close();
    disk.fill();
    await expect(house.restart()).rejects.toMatchObject({ code: 'storage_full', message: expect.stringContaining('is full') });
    disk.free();
    await house.restart();
    await house.get('/health').expect(200);
  });

  it('a reserve that is only being built keeps nobody waiting', async ({ skip }) => {
    using disk = openSmallDisk(2 * KIB);
    if (!disk) return skip(NO_SMALL_DISK);
    await using house = await openTestHouse({
      policy: POLICY,
      env: { DATABASE_PATH: join(disk.dir, 'incidents.db'), STORE_RESERVE_BYTES: String(64 * KIB * KIB) },
    });
    await house.post(REPORT, ordinary).expect(201);
    const reserve = () => statSync(join(disk.dir, 'incidents.db.reserve'), { throwIfNoEntry: false })?.size ?? 0;
    await until(() => reserve() > 0);
    await house.post(REPORT, ordinary).expect(201);
    await house.get('/health').expect(200);
    await house.restart();
    await house.post(REPORT, ordinary).expect(201);
  });
});

describe('the reserve is given up for nothing', () => {
  /** A store that can grow no more while its disk has room, so that only the reserve tells what was given up. */
  function full(): WritePath {
    const pragma = vi.spyOn(Database.prototype, 'pragma');
    const path = openWritePath({ policy: POLICY, reserveBytes: RESERVE });
    const connection = (pragma.mock.contexts as Database.Database[]).find((db) => db.name.endsWith('incidents.db'));
    connection?.pragma(`max_page_count = ${Number(connection.pragma('page_count', { simple: true })) + 1}`);
    return path;
  }
  const held = (path: WritePath) => statSync(join(path.dir, 'incidents.db.reserve')).size;
  const large = (draft: Draft) => draft.record('service.stopped', null, 'test', { reason: 'x'.repeat(50_000) });

  it('that can wait: an ordinary report, the probe of the disk, what is remembered of the log file', async () => {
    using path = full();
    await path.room.refill();
    expect(held(path)).toBe(RESERVE);
    await expect(path.report({ ...ordinary })).rejects.toMatchObject({ code: 'storage_full' });
    for (let i = 0; i < 3; i += 1) await expect(path.queue.submit(path.room.probe)).rejects.toMatchObject({ code: 'storage_full' });
    const waiting = (draft: Draft) => {
      draft.canWait();
      return large(draft);
    };
    await expect(path.queue.submit(waiting)).rejects.toMatchObject({ code: 'storage_full' });
    expect(held(path)).toBe(RESERVE);
    await expect(path.queue.submit(large)).rejects.toMatchObject({ code: 'storage_full' });
    expect(held(path)).toBe(4 * KIB);
  });

  it('that fails for another reason', async () => {
    using path = full();
    await path.room.refill();
    await expect(path.step('resolve', 'INC-20260313-000000000000')).rejects.toMatchObject({ code: 'not_found' });
    expect(held(path)).toBe(RESERVE);
  });
});
