// Checkpoints: of what, how often, where; what is told when they cannot be published; and what becomes of a key that is another.
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { isSignedBy, openNote, parseVerifierKey } from '../../src/audit/note.ts';
import { type Checkpoints, createCheckpoints, readCheckpoint } from '../../src/ledger/checkpoints.ts';
import type { SignedCheckpoint } from '../../src/ledger/witness.ts';
import { openFolder } from '../support/folder.ts';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';
import { faultByCheckpoint, verifyLog } from '../support/verify-log.mjs';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const logOf = ({ dir }: { dir: string }) => join(dir, 'audit.jsonl');
const fileOf = (of: { dir: string }) => `${logOf(of)}.checkpoint`;
const sizeIn = (note: string) => parseCheckpoint(openNote(note).text).size;
const keyOf = (house: TestHouse) => String(house.logged.findLast(({ message }) => message === 'listening')?.['key']);
const told = (house: { logged: { message: string; [field: string]: unknown }[] }) =>
  house.logged.filter(({ message }) => message === 'checkpoint');

function publisher(path: WritePath, more: { interval_ms?: number; offered?: SignedCheckpoint[] } = {}): Checkpoints {
  const offered = more.offered ?? [];
  return createCheckpoints({
    ...{ logPath: logOf(path), key: readKey('test/log', newKeyPem()), log: path.log, monotonic: path.clock.monotonic },
    interval_ms: more.interval_ms ?? 1000,
    treeAt: path.store.tree.at,
    witness: () => ({ offer: (each) => void offered.push(each), health: 'ok', close: async () => {} }),
  });
}

describe('a checkpoint', () => {
  it('is published at most once in its interval, only when something changed, and the last one whatever the interval', async () => {
    using path = openWritePath();
    const offered: SignedCheckpoint[] = [];
    const checkpoints = publisher(path, { offered });
    await checkpoints.publish(null);
    expect(checkpoints.latest).toBeNull();
    for (let i = 0; i < 3; i += 1) await path.report();
    await checkpoints.publish(2);
    await checkpoints.publish(3);
    expect(told(path).map(({ size }) => size)).toEqual([2]);
    path.clock.advance(999);
    await checkpoints.publish(null);
    path.clock.advance(1);
    await checkpoints.publish(null);
    path.clock.advance(5000);
    await checkpoints.publish(3);
    await checkpoints.publish(null);
    expect(told(path).map(({ size }) => size)).toEqual([2, 3]);
    await checkpoints.publishLast(4);
    await checkpoints.publishLast(null);
    expect(told(path).map(({ size }) => size)).toEqual([2, 3, 4]);
    expect(offered.map(({ size }) => size)).toEqual([2, 3, 4]);
  });

  it('is the same in the file, in the journal and from the route, and holds for the log', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.close();
    const note = readFileSync(fileOf(house), 'utf8');
    expect(told(house).at(-1)).toMatchObject({ level: 'info', note, size: sizeIn(note) });
    expect(faultByCheckpoint(verifyLog(logOf(house)), note, keyOf(house))).toBeNull();
    expect(sizeIn(note)).toBe(house.records().length);
    await house.restart();
    const { text, headers } = await house.http.get('/api/v1/audit/checkpoint').expect(200);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(text).toBe(readFileSync(fileOf(house), 'utf8'));
    expect(isSignedBy(text, parseVerifierKey(keyOf(house)))).toBe(true);
    expect(statSync(fileOf(house)).mode & 0o777).toBe(0o644);
  });

  it('is never signed over records that are not durable in the log file, and catches up when they are', async ({ skip }) => {
    using disk = openSmallDisk(256);
    if (!disk) return skip(NO_SMALL_DISK);
    using store = openFolder();
    const audit = join(disk.dir, 'audit.jsonl');
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: audit, DATABASE_PATH: join(store.path, 'incidents.db') } });
    disk.fill(4096);
    const report = async () => (await house.post('/api/v1/incidents/report', aReport()).expect(201)).body.audit.seq as number;
    while ((await house.http.get('/health')).body.checks.audit !== 'lagging') await report();
    const seq = await report();
    const rounds = told(house).length;
    await new Promise((resolve) => setTimeout(resolve, 2200));
    const written = verifyLog(audit).records;
    expect(written).toBeLessThan(seq);
    for (const { size } of told(house)) expect(Number(size)).toBeLessThanOrEqual(written);
    expect(told(house).length - rounds).toBeLessThanOrEqual(1);
    disk.free();
    while (Number(told(house).at(-1)?.['size']) < seq) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(verifyLog(audit).records).toBeGreaterThanOrEqual(seq);
  });

  it('that cannot be written is not shown elsewhere either; it is told once, and published when it can be', async () => {
    await using house = await openTestHouse();
    const before = (await house.http.get('/api/v1/audit/checkpoint').expect(200)).text;
    // A folder in the way of the file that it is first written to: also root cannot write there.
    mkdirSync(`${fileOf(house)}.new`);
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    const health = async () => (await house.http.get('/health').expect(200)).body as { status: string; checks: { audit: string } };
    while ((await health()).checks.audit !== 'unpublished') await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await health()).status).toBe('degraded');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect((await house.http.get('/api/v1/audit/checkpoint').expect(200)).text).toBe(before);
    expect(house.logged.filter(({ message }) => message === 'a checkpoint cannot be published')).toHaveLength(1);
    rmSync(`${fileOf(house)}.new`, { recursive: true });
    while (!['ok', 'verifying'].includes((await health()).checks.audit)) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sizeIn((await house.http.get('/api/v1/audit/checkpoint').expect(200)).text)).toBeGreaterThanOrEqual(body.audit.seq);
  });

  it('of another log, or what is none, is not taken for ours', async () => {
    using path = openWritePath();
    for (const text of ['', 'rubbish', 'a\n1\nx\n\n— a AAAAAAAA\n']) {
      writeFileSync(fileOf(path), text);
      expect(readCheckpoint(fileOf(path))).toBeNull();
      expect(publisher(path).latest).toBeNull();
    }
    await path.report();
    await publisher(path).publishLast(1);
    expect(publisher(path).latest).toMatchObject({ size: 1 });
    expect(
      createCheckpoints({
        ...{ logPath: logOf(path), key: readKey('other/log', newKeyPem()), log: path.log, monotonic: () => 0, interval_ms: 1 },
        ...{ treeAt: path.store.tree.at, witness: () => null },
      }).latest,
    ).toBeNull();
  });
});

describe('a key that is another', () => {
  it('is recorded and raised; what was signed before holds under the old one, what comes under the new', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.close();
    const [note, key] = [readFileSync(fileOf(house), 'utf8'), keyOf(house)];
    rmSync(join(house.dir, 'checkpoint.key'));
    await house.restart();
    await house.close();
    const [newNote, newKey] = [readFileSync(fileOf(house), 'utf8'), keyOf(house)];
    expect(newKey).not.toBe(key);
    expect(house.records().filter(({ type }) => type === 'key.changed')).toMatchObject([{ data: { old: key, new: newKey } }]);
    const log = verifyLog(logOf(house));
    expect(faultByCheckpoint(log, note, key)).toBeNull();
    expect(faultByCheckpoint(log, newNote, newKey)).toBeNull();
    expect(faultByCheckpoint(log, newNote, key)).not.toBeNull();
    // It is not found again, and nothing but it was amiss.
    await house.restart();
    expect(house.records().filter(({ type }) => type === 'key.changed')).toHaveLength(1);
    const { body } = await house.get('/api/v1/incidents?source=incident-recorder').expect(200);
    expect(body).toMatchObject([{ class: 'integrity_violation', severity: 'high', evidence: { old_key: key, new_key: newKey } }]);
  });

  it('may be handed over as a file that is only read', async () => {
    await using house = await openTestHouse();
    await house.close();
    chmodSync(join(house.dir, 'checkpoint.key'), 0o400);
    const key = keyOf(house);
    await house.restart();
    expect(keyOf(house)).toBe(key);
  });
});
