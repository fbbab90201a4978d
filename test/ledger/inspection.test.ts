// What was changed further back than a start looks is found while the service runs: in any file of the log, and in the store itself.
import { chmodSync, copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, it } from 'vitest';
import { filesOf, oldSegmentsOf } from '../../src/audit/segments.ts';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { verifyLog } from '../support/verify-log.mjs';

const logOf = ({ dir }: TestHouse) => join(dir, 'audit.jsonl');
const keptAside = (house: TestHouse) => readdirSync(house.dir).filter((name) => name.includes('.damaged-'));
const found = async (house: TestHouse) =>
  (await house.get('/api/v1/incidents?source=incident-recorder').expect(200)).body as { id: string; evidence: Record<string, any> }[];
const auditOf = async (house: TestHouse) => (await house.http.get('/health')).body.checks.audit as string;

const env = { AUDIT_ROTATE_BYTES: '100000' };
const KEPT = /^(audit|incidents\.db(-wal)?$|checkpoint)/;
let template: TestHouse | null = null;
afterAll(async () => template?.[Symbol.asyncDispose]());

/** A log of at least four files, closed. It is made once; every house gets a copy. */
async function withFiles(house: TestHouse): Promise<void> {
  template ??= await makeFiles(await openTestHouse({ env }));
  await house.close();
  for (const name of readdirSync(house.dir).filter((each) => KEPT.test(each))) rmSync(join(house.dir, name));
  for (const name of readdirSync(template.dir).filter((each) => KEPT.test(each)))
    copyFileSync(join(template.dir, name), join(house.dir, name));
}

async function makeFiles(house: TestHouse): Promise<TestHouse> {
  while (oldSegmentsOf(logOf(house)).length < 3) {
    await house.post('/api/v1/incidents/report', aReport({ class: 'tool_call_burst', evidence: { text: 'x'.repeat(14_000) } })).expect(201);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await house.post('/api/v1/incidents/report', aReport()).expect(201);
  await house.close();
  return house;
}

async function inspected(house: TestHouse): Promise<void> {
  while ((await auditOf(house)) === 'verifying') await new Promise((resolve) => setTimeout(resolve, 50));
}

function change(path: string, how: (text: string) => string): void {
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  writeFileSync(path, how(text));
  chmodSync(path, 0o440);
}

const old = (house: TestHouse, i: number) => String(oldSegmentsOf(logOf(house))[i]?.path);

const DAMAGE: Record<string, (house: TestHouse) => void> = {
  'a byte of the first file': (house) => change(old(house, 0), (text) => text.replace('xxx', 'xyx')),
  'a byte of a file in the middle': (house) => change(old(house, 1), (text) => text.replace('xxx', 'xyx')),
  'a byte of the newest file': (house) =>
    writeFileSync(logOf(house), readFileSync(logOf(house), 'utf8').replace('prompt_injection', 'prompt_injectiom')),
  'a line taken out': (house) => change(old(house, 1), (text) => text.split('\n').toSpliced(2, 1).join('\n')),
  'an end cut off': (house) => change(old(house, 1), (text) => text.slice(0, -500)),
  'a line put behind': (house) => change(old(house, 1), (text) => `${text}{}\n`),
  'a file gone': (house) => rmSync(old(house, 1)),
  'the first file gone': (house) => rmSync(old(house, 0)),
  'two files gone': (house) => [0, 1].forEach(() => rmSync(old(house, 0))),
  'a file compressed and no more the same': (house) => {
    const path = old(house, 0);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path, 'utf8').replace('xxx', 'xyx')));
    rmSync(path);
  },
  'a file compressed and cut': (house) => {
    const path = old(house, 0);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)).subarray(0, -100));
    rmSync(path);
  },
};

describe('the look through the log', () => {
  it.each(Object.entries(DAMAGE))('finds %s, keeps it aside, writes it anew, and tells of it once', async (name, damage) => {
    await using house = await openTestHouse({ env });
    await withFiles(house);
    const before = verifyLog(filesOf(logOf(house))).leaves;
    damage(house);
    await house.restart();
    await inspected(house);
    while ((await found(house)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const log = verifyLog(filesOf(logOf(house)));
    expect(log).toMatchObject({ fault: null, torn: false });
    expect(log.leaves.slice(0, before.length)).toEqual(before);
    expect(keptAside(house)).toHaveLength(name.endsWith('gone') ? 0 : 1);
    expect(await auditOf(house)).toBe('damaged');
    const [{ id } = { id: '' }] = await found(house);
    await house.post('/api/v1/incidents/resolve', { id }).expect(200);
    await house.restart();
    await inspected(house);
    expect(await auditOf(house)).toBe('ok');
    expect(await found(house)).toHaveLength(1);
  });

  it('finds nothing wrong with what was written, files compressed by somebody among it', async () => {
    await using house = await openTestHouse({ env });
    await withFiles(house);
    const path = old(house, 0);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    rmSync(path);
    await house.restart();
    expect(await auditOf(house)).toBe('verifying');
    await inspected(house);
    expect(await auditOf(house)).toBe('ok');
    expect(await found(house)).toEqual([]);
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  const FORGED: Record<string, { sql: string; seq: number; reason: string }> = {
    'a record that was changed': {
      sql: `UPDATE records SET line = replace(line, 'xxx', 'xyx') WHERE seq = 5`,
      seq: 5,
      reason: 'its hash does not fit its bytes',
    },
    'a record that was taken out': { sql: 'DELETE FROM records WHERE seq = 7', seq: 7, reason: 'it is record 8' },
    'two records that changed places': {
      sql: `UPDATE records SET line = (SELECT line FROM records WHERE seq = 7) WHERE seq = 6`,
      seq: 6,
      reason: 'it is record 7',
    },
    'a tree that is not that of the records': {
      sql: `DELETE FROM tree WHERE n = 0; INSERT INTO tree VALUES (4, 0, randomblob(32))`,
      seq: 0,
      reason: 'tree',
    },
  };
  it.each(Object.entries(FORGED))('finds in the store %s', async (_, { sql, seq, reason }) => {
    await using house = await openTestHouse();
    for (let i = 0; i < 4; i += 1) await house.post('/api/v1/incidents/report', aReport({ evidence: { text: 'xxx' } })).expect(201);
    await house.close();
    // Without its own checkpoint, by which a start knows some of it at once.
    rmSync(`${logOf(house)}.checkpoint`);
    const db = new Database(join(house.dir, 'incidents.db'));
    db.exec(sql);
    db.close();
    await house.restart();
    await inspected(house);
    while ((await found(house)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const told = (await found(house)).map(({ evidence }) => evidence);
    expect(told).toContainEqual({ seq: seq === 0 ? expect.any(Number) : seq, reason: expect.stringContaining(reason) });
    expect(await auditOf(house)).toBe('damaged');
  });

  it('is given up when the service ends', async () => {
    await using house = await openTestHouse({ env });
    await withFiles(house);
    for (let i = 0; i < 3; i += 1) {
      await house.restart();
      await new Promise((resolve) => setTimeout(resolve, i * 500));
      await house.close();
    }
    expect(keptAside(house)).toEqual([]);
    expect(
      house.logged.filter(({ level }) => level === 'error' || level === 'critical').filter(({ message }) => message !== 'alert raised'),
    ).toEqual([]);
  });
});
