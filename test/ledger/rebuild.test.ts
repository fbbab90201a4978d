// The log alone makes the database again, field by field, and nothing that is not sound makes any.
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentPath } from '../../src/audit/segments.ts';
import { compareWithLog } from '../../src/ledger/compare.ts';
import { rebuild } from '../../src/ledger/rebuild.ts';
import { compareStores } from '../../src/store/compare.ts';
import { lockStore } from '../../src/store/database.ts';
import { openStore } from '../../src/store/store.ts';
import { openFolder } from '../support/folder.ts';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type Life, deeds, openLife } from '../support/life.ts';

const REBUILT = 'rebuilt.db';

/** A short life in which something of everything has happened. */
async function aLife(): Promise<Life> {
  const life = await openLife();
  const [all = []] = fc.sample(deeds(), { seed: 7, numRuns: 1 });
  await life.live(all);
  return life;
}

describe('any life of a recorder', () => {
  it('is made again out of its log, field by field', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(), async (all) => {
        using life = await openLife();
        await life.live(all);
        const path = join(life.path.dir, REBUILT);
        const rebuilt = await rebuild({ files: [life.file('log.jsonl', life.lines())], path });
        expect(rebuilt).toMatchObject({ fault: null, torn: 0, added: 0, first: 1, last: life.lines().length });
        expect(compareStores(life.database, path)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  }, 240_000);
});

describe('a database that was rebuilt', () => {
  it('is whole, durable and readable by its owner only, and nothing lies beside it', async () => {
    using life = await aLife();
    using folder = openFolder();
    const path = join(folder.path, 'deeper', REBUILT);
    await rebuild({ files: [life.file('log.jsonl', life.lines())], path });
    expect(readdirSync(join(folder.path, 'deeper')).toSorted()).toEqual([REBUILT, `${REBUILT}.lock`]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const store = openStore(path);
    expect(store.records.head().seq).toBe(life.lines().length);
    store.close();
  });

  it.each<[string, (life: Life) => string[]]>([
    [
      'one after the other',
      (life) => {
        const lines = life.lines();
        return [life.file('log-000000000001.jsonl', lines.slice(0, 7)), life.file('log.jsonl', lines.slice(7))];
      },
    ],
    [
      'compressed',
      (life) => {
        const old = join(life.path.dir, 'log-000000000001.jsonl.gz');
        writeFileSync(old, gzipSync(`${life.lines().slice(0, 9).join('\n')}\n`));
        return [old, life.file('log.jsonl', life.lines().slice(9))];
      },
    ],
  ])('comes out of several files, %s', async (_, files) => {
    using life = await aLife();
    const path = join(life.path.dir, REBUILT);
    await rebuild({ files: files(life), path });
    expect(compareStores(life.database, path)).toEqual([]);
  });

  it('lacks a torn last line, and says so', async () => {
    using life = await aLife();
    const lines = life.lines();
    const file = life.file('log.jsonl', lines, `\n${lines[3]?.slice(0, 50)}`);
    expect(await rebuild({ files: [file], path: join(life.path.dir, REBUILT) })).toMatchObject({ torn: 50, last: lines.length, added: 0 });
  });
});

describe('nothing is made', () => {
  it('where there is a database already, or another recorder about to make one', async () => {
    using life = await aLife();
    const file = life.file('log.jsonl', life.lines());
    await expect(rebuild({ files: [file], path: life.database })).rejects.toMatchObject({ code: 'storage_failed' });
    const path = join(life.path.dir, REBUILT);
    writeFileSync(path, 'mine');
    await expect(rebuild({ files: [file], path })).rejects.toMatchObject({
      code: 'invalid_parameter',
      message: expect.stringContaining(path),
    });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    rmSync(path);
    using _ = lockStore(path);
    await expect(rebuild({ files: [file], path })).rejects.toMatchObject({ code: 'storage_failed' });
    expect(existsSync(path)).toBe(false);
  });

  it.each<[string, (lines: string[]) => string[], number]>([
    ['a word in a record was changed', (lines) => lines.with(4, (lines[4] ?? '').replace('"data":{', '"data":{"x":1,')), 5],
    ['a record is missing', (lines) => lines.toSpliced(3, 1), 4],
    ['two records stand the wrong way round', (lines) => lines.toSpliced(4, 2, lines[5] ?? '', lines[4] ?? ''), 5],
  ])('when %s', async (_, change, seq) => {
    using life = await aLife();
    const path = join(life.path.dir, REBUILT);
    const { fault } = await rebuild({ files: [life.file('log.jsonl', change(life.lines()))], path });
    expect(fault).toMatchObject({ seq });
    expect(readdirSync(life.path.dir).filter((name) => name.startsWith(REBUILT))).toEqual([`${REBUILT}.lock`]);
  });

  it.each<[string, (lines: string[]) => string[], string]>([
    ['there is no record in it', () => [], 'there is no record in the log'],
    ['its beginning is missing', (lines) => lines.slice(4), 'record 4 of the log cannot be told again: it is missing'],
  ])('when %s', async (_, change, message) => {
    using life = await aLife();
    const path = join(life.path.dir, REBUILT);
    const rebuilding = rebuild({ files: [life.file('log.jsonl', change(life.lines()))], path });
    await expect(rebuilding).rejects.toMatchObject({ message: expect.stringContaining(message) });
    expect(existsSync(path)).toBe(false);
  });
});

describe('the service', () => {
  const path = (house: TestHouse) => join(house.dir, 'incidents.db');
  const log = (house: TestHouse) => join(house.dir, 'audit.jsonl');

  async function lose(house: TestHouse): Promise<void> {
    for (const end of ['', '-wal', '-shm']) rmSync(`${path(house)}${end}`, { force: true });
  }

  it.each([
    ['as it was', ''],
    ['with a torn last line', '{"v":1,"seq":'],
  ])('starts on what was rebuilt from its log, %s, finds nothing amiss, and goes on', async (_, torn) => {
    await using house = await openTestHouse();
    const { body: incident } = await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'k' })).expect(201);
    await house.close();
    await lose(house);
    writeFileSync(log(house), torn, { flag: 'a' });
    await rebuild({ files: [log(house)], path: path(house) });
    await house.restart();
    expect(house.logged.filter(({ level }) => level === 'critical' || level === 'error')).toEqual([
      expect.objectContaining({ message: 'alert raised' }),
    ]);
    expect((await house.get(`/api/v1/incidents/${incident.id}`).expect(200)).body).toEqual(incident);
    await house.post('/api/v1/incidents/report', aReport({ dedup_key: 'k' })).expect(200);
    await house.close();
    expect(house.records().map(({ seq }) => seq)).toEqual(house.records().map((_record, i) => i + 1));
    expect(house.records().filter(({ type }) => type === 'log.recovered')).toEqual([]);
    expect(await compareWithLog([log(house)], path(house))).toEqual([]);
  });

  it('finishes in its log what the log had lost of the last change', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.close();
    await lose(house);
    const lines = readFileSync(log(house), 'utf8').split('\n');
    const reported = lines.findIndex((line) => line.includes('"type":"incident.reported"'));
    writeFileSync(log(house), `${lines.slice(0, reported + 1).join('\n')}\n`);
    expect(await rebuild({ files: [log(house)], path: path(house) })).toMatchObject({ added: 2 });
    await house.restart();
    await house.close();
    expect(
      house
        .records()
        .map(({ type }) => type)
        .slice(reported, reported + 4),
    ).toEqual([...['incident.reported', 'hold.recorded', 'incident.contained', 'service.started']]);
    expect(await compareWithLog([log(house)], path(house))).toEqual([]);
  });

  it('starts on what was rebuilt from several files, and writes on in the newest', async () => {
    await using house = await openTestHouse();
    for (let i = 0; i < 3; i += 1) await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.close();
    await lose(house);
    const old = segmentPath(log(house), 1);
    const lines = readFileSync(log(house), 'utf8').split('\n');
    writeFileSync(old, `${lines.slice(0, 6).join('\n')}\n`);
    writeFileSync(log(house), lines.slice(6).join('\n'));
    await rebuild({ files: [old, log(house)], path: path(house) });
    await house.restart();
    await house.close();
    expect(house.records()[0]?.seq).toBe(7);
    expect(house.records().some(({ type }) => type === 'log.recovered')).toBe(false);
    expect(await compareWithLog([old, log(house)], path(house))).toEqual([]);
  });
});

describe('a store held against its log', () => {
  it('does not differ while the log lags behind, wherever it ends, or has a torn end', async () => {
    using life = await aLife();
    const lines = life.lines();
    for (const end of [1, 5, 11, 17, lines.length - 1, lines.length]) {
      expect(await compareWithLog([life.file(`${end}.jsonl`, lines.slice(0, end))], life.database)).toEqual([]);
    }
    expect(await compareWithLog([life.file('torn.jsonl', lines.slice(0, 9), '\n{"v":1,')], life.database)).toEqual([]);
  });

  it('differs when it ends before the log, when its records are others, and when a row was changed behind them', async () => {
    using life = await aLife();
    const { db } = life.path;
    const file = life.file('log.jsonl', life.lines());
    db.exec('UPDATE incidents SET description = description || 1 WHERE seq = (SELECT min(seq) FROM incidents)');
    expect(await compareWithLog([file], life.database)).toMatchObject([{ table: 'incidents', field: 'description' }]);
    const [last] = life.lines().slice(-1);
    db.exec('DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)');
    expect(await compareWithLog([file], life.database)).toContainEqual(
      expect.objectContaining({ table: 'records', key: `seq ${life.lines().length}`, a: null, b: 'present' }),
    );
    db.prepare('INSERT INTO records VALUES (?, NULL, ?)').run(life.lines().length, last?.replace('"actor":"', '"actor":"x'));
    const short = life.file('short.jsonl', life.lines().slice(0, -1));
    expect(await compareWithLog([short], life.database)).toContainEqual(
      expect.objectContaining({ table: 'records', key: `seq ${life.lines().length}`, a: 'present', b: null }),
    );
  });

  it('is not judged by a log that is not sound', async () => {
    using life = await aLife();
    const file = life.file('log.jsonl', life.lines().toSpliced(3, 1));
    await expect(compareWithLog([file], life.database)).rejects.toMatchObject({ message: expect.stringContaining('record 4, at byte') });
    await expect(compareWithLog([life.file('l.jsonl', life.lines())], join(life.path.dir, 'none.db'))).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
