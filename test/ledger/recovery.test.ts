// A store that is not what was signed: an older copy put back, a forged one, none at all; and what the next start makes of it.
import { randomBytes } from 'node:crypto';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { keyIn, openNote } from '../../src/audit/note.ts';
import { filesOf, oldSegmentsOf } from '../../src/audit/segments.ts';
import { openLog } from '../../src/ledger/log-opening.ts';
import { createLog } from '../../src/log.ts';
import { openStore } from '../../src/store/store.ts';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type LedgerHouse, openLedgerHouse } from '../support/ledger.ts';
import { faultByCheckpoint, verifyLog } from '../support/verify-log.mjs';

const logOf = ({ dir }: TestHouse) => join(dir, 'audit.jsonl');
const noteOf = (house: TestHouse) => readFileSync(`${logOf(house)}.checkpoint`, 'utf8');
const keyOf = (house: TestHouse) => String(house.logged.findLast(({ message }) => message === 'listening')?.['key']);
const recovered = (house: TestHouse) => allRecords(house).filter(({ type }) => type === 'log.recovered');
const found = async (house: TestHouse) =>
  (await house.get('/api/v1/incidents?source=incident-recorder').expect(200)).body as { description: string }[];
const STORE = ['incidents.db', 'incidents.db-wal', 'incidents.db-shm'];

function allRecords(house: TestHouse): { type: string; data: Record<string, any> }[] {
  return filesOf(logOf(house)).flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; data: Record<string, unknown> }),
  );
}

async function report(house: TestHouse, n: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < n; i += 1) {
    const { body } = await house.post('/api/v1/incidents/report', aReport({ description: `report ${i}`, dedup_key: `k${i % 4}` }));
    ids.push(body.id);
  }
  return [...new Set(ids)];
}

/** All of them and what can be asked about them, as the API shows it. */
async function shown(house: TestHouse, ids: readonly string[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const id of ids) {
    answers.push((await house.get(`/api/v1/incidents/${id}`).expect(200)).body);
    answers.push((await house.get(`/api/v1/incidents/${id}/timeline`).expect(200)).body);
  }
  return answers;
}

function keepStore(house: TestHouse): void {
  mkdirSync(join(house.dir, 'copy'));
  for (const name of STORE) if (existsSync(join(house.dir, name))) copyFileSync(join(house.dir, name), join(house.dir, 'copy', name));
}

function dropStore(house: TestHouse): void {
  for (const name of STORE) rmSync(join(house.dir, name), { force: true });
}

function putBack(house: TestHouse): void {
  dropStore(house);
  for (const name of readdirSync(join(house.dir, 'copy'))) copyFileSync(join(house.dir, 'copy', name), join(house.dir, name));
}

/** A house with a copy of its store from half-way, closed. */
async function withCopy(house: TestHouse): Promise<string[]> {
  const first = await report(house, 8);
  await house.post('/api/v1/incidents/resolve', { id: first[0] }).expect(200);
  await house.close();
  keepStore(house);
  await house.restart();
  const second = await report(house, 10);
  await house.post('/api/v1/incidents/acknowledge', { id: second[1], note: 'seen' }).expect(200);
  await house.restart();
  return [...new Set([...first, ...second])];
}

describe('an older copy of the store that was put back', () => {
  it.each([
    ['one file', {}],
    ['several files', { AUDIT_ROTATE_BYTES: '100000' }],
  ])('has all that was signed again, out of a log of %s', async (_, env) => {
    await using house = await openTestHouse({ env });
    const ids = await withCopy(house);
    if ('AUDIT_ROTATE_BYTES' in env) {
      while (oldSegmentsOf(logOf(house)).length < 2) {
        await house.post('/api/v1/incidents/report', aReport({ evidence: { text: 'x'.repeat(12_000) } })).expect(201);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
    const before = await shown(house, ids);
    const held = [noteOf(house), keyOf(house)] as const;
    await house.close();
    const signed = Number(noteOf(house).split('\n')[1]);
    putBack(house);
    await house.restart();

    expect(await shown(house, ids)).toEqual(before);
    expect(recovered(house)).toMatchObject([{ data: { damaged: null, restored: { to: signed }, went_on_as: null } }]);
    expect(await found(house)).toMatchObject([{ class: 'integrity_violation', severity: 'critical', containment_actions: [] }]);
    expect((await house.http.get('/health')).body).toMatchObject({ status: 'critical', checks: { audit: 'damaged' } });
    // What was held before still holds, and what comes is signed under the same name.
    const log = verifyLog(filesOf(logOf(house)));
    expect(log).toMatchObject({ fault: null, torn: false });
    expect(faultByCheckpoint(log, ...held)).toBeNull();
    expect(keyOf(house)).toBe(held[1]);
    expect(readdirSync(house.dir).filter((name) => name.includes('damaged'))).toEqual([]);

    // It is not found again.
    await house.restart();
    expect(recovered(house)).toHaveLength(1);
    await house.post('/api/v1/incidents/resolve', { id: (await found(house)).map((each) => (each as unknown as { id: string }).id)[0] });
    expect((await house.http.get('/health')).body).toMatchObject({ status: 'ok' });
  });

  it.each<[string, (house: TestHouse) => void]>([
    [
      'the log was cut as well',
      (house) => writeFileSync(logOf(house), readFileSync(logOf(house), 'utf8').split('\n').slice(0, -4).join('\n')),
    ],
    ['the log is gone as well', (house) => rmSync(logOf(house))],
    [
      'a record of the log was changed as well',
      (house) => writeFileSync(logOf(house), readFileSync(logOf(house), 'utf8').replaceAll('report 7', 'report 8')),
    ],
    ['the log was put back as well', (house) => writeFileSync(logOf(house), '')],
    ['the checkpoint was taken away', (house) => rmSync(`${logOf(house)}.checkpoint`)],
    ['the checkpoint is rubbish', (house) => writeFileSync(`${logOf(house)}.checkpoint`, 'rubbish')],
  ])('goes on as another log where %s: what was signed before stays true evidence', async (_, damage) => {
    await using house = await openTestHouse();
    await withCopy(house);
    const [note, key] = [noteOf(house), keyOf(house)];
    await house.close();
    putBack(house);
    damage(house);
    await house.restart();
    await report(house, 2);

    const went = recovered(house).find(({ data }) => data['went_on_as'] !== null)?.data['went_on_as'] as {
      instance: string;
      origin: string;
    };
    expect(went.origin).toBe(`test/incident-recorder/${went.instance.slice(0, 8)}`);
    expect(keyOf(house).split('+')[0]).toBe(went.origin);
    expect(keyIn(keyOf(house))).toBe(keyIn(key));
    expect((await found(house)).length).toBeGreaterThan(0);
    const log = verifyLog(logOf(house));
    expect(log).toMatchObject({ fault: null, torn: false });
    // The old checkpoint convicts the log, under whatever name it goes on.
    expect(faultByCheckpoint(log, note, key)).not.toBeNull();
    // The name stays, and nothing of it is found again.
    await house.restart();
    expect(keyOf(house).split('+')[0]).toBe(went.origin);
    expect(recovered(house).filter(({ data }) => data['went_on_as'] !== null)).toHaveLength(1);
    expect(openNote(noteOf(house)).signatures[0]?.name).toBe(went.origin);
    expect(faultByCheckpoint(verifyLog(logOf(house)), noteOf(house), keyOf(house))).toBeNull();
  });
});

describe('a start that ends before its first commit', () => {
  /** As far as the log is opened, and no further. */
  async function startAndDie(house: TestHouse): Promise<void> {
    const store = openStore(join(house.dir, 'incidents.db'));
    const log = createLog({ level: 'debug', journal: false, write: () => {} });
    const { mirror } = await openLog({
      ...{
        path: logOf(house),
        keyPath: join(house.dir, 'checkpoint.key'),
        origin: 'test/incident-recorder',
        store,
        log,
        now: () => new Date(),
      },
      rotation: { bytes: 2 ** 26, age_ms: 86_400_000 },
    });
    mirror.close();
    store.close();
  }

  it('does not let the next one forget that the log has to go on as another', async () => {
    await using house = await openTestHouse();
    await withCopy(house);
    const [note, key] = [noteOf(house), keyOf(house)];
    await house.close();
    putBack(house);
    rmSync(`${logOf(house)}.checkpoint`);
    await startAndDie(house);
    await house.restart();
    await report(house, 30);
    await house.close();
    expect(recovered(house).filter(({ data }) => data['went_on_as'] !== null)).toHaveLength(1);
    expect(noteOf(house).split('\n')[0]).toMatch(/^test\/incident-recorder\/[0-9a-f]{8}$/);
    expect(faultByCheckpoint(verifyLog(logOf(house)), note, key)).not.toBeNull();
  });

  it('does not let the next one forget what was restored', async () => {
    await using house = await openTestHouse();
    const ids = await withCopy(house);
    const before = await shown(house, ids);
    await house.close();
    putBack(house);
    await startAndDie(house);
    await house.restart();
    expect(await shown(house, ids)).toEqual(before);
    expect(recovered(house)).toMatchObject([{ data: { restored: { to: expect.any(Number) }, went_on_as: null } }]);
    expect(await found(house)).toHaveLength(1);
  });
});

describe('a damaged file, and a start that is killed when it has opened the log', () => {
  /** What is told of the damage, and what is kept aside; each without its time. */
  function toldOf(house: LedgerHouse): { told: string[]; kept: string[] } {
    const told = house
      .lines()
      .map((line) => JSON.parse(line) as { type: string; data: { damaged: string | null } })
      .filter(({ type }) => type === 'log.recovered')
      .map(({ data }) => basename(String(data.damaged)));
    const kept = readdirSync(house.dir).filter((name) => name.includes('.damaged-'));
    // Each that is told of is there, under that name.
    expect(told.toSorted()).toEqual(kept.toSorted());
    return { told: told.map((name) => name.replace(/\d{8}T\d{9}Z/, '')), kept };
  }

  /** A log of an old file and a newest, of which so many reports are durable. It does not run. */
  async function twoFiles(reports: number): Promise<LedgerHouse> {
    const house = openLedgerHouse({ rotateBytes: 5000, onCheckpoint: () => {} });
    await house.start();
    await house.settleAll();
    await house.report({ class: 'tool_call_burst' });
    await house.crash();
    await killedStart(house);
    await house.start();
    await house.settleAll();
    for (let i = 0; i < reports; i += 1) await house.report({ class: 'tool_call_burst' });
    await house.settleAll();
    await house.crash();
    expect(oldSegmentsOf(house.log).map(({ first }) => first)).toEqual([1]);
    return house;
  }

  async function killedStart(house: LedgerHouse): Promise<void> {
    house.crashAt('opened');
    await house.start();
    await house.crash();
  }

  /** It is all there again, and not told of another time. */
  async function goesOn(house: LedgerHouse): Promise<ReturnType<typeof toldOf>> {
    await house.start();
    await house.settleAll();
    const first = toldOf(house);
    await house.stop();
    await house.start();
    await house.settleAll();
    expect(toldOf(house)).toEqual(first);
    expect(verifyLog(filesOf(house.log))).toMatchObject({ fault: null, torn: false, records: house.lines().length });
    return first;
  }

  const oldOf = (house: LedgerHouse) => String(oldSegmentsOf(house.log)[0]?.path);
  const flipOld = (house: LedgerHouse) => {
    const path = oldOf(house);
    const bytes = readFileSync(path);
    bytes[0] = Number(bytes[0]) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
  };
  /** With an old file the newest goes as well: it has to begin where that did. */
  const DAMAGES: [string, (house: LedgerHouse) => void, string[]][] = [
    ['an old file', flipOld, ['audit-000000000001.jsonl.damaged-', 'audit.jsonl.damaged-']],
    ['an old file that is gone', (house) => rmSync(oldOf(house)), ['audit.jsonl.damaged-']],
    ['the newest file, which was written over', (house) => writeFileSync(house.log, 'rubbish\n'), ['audit.jsonl.damaged-']],
    ['the newest file, which is gone', (house) => rmSync(house.log), ['audit.jsonl.damaged-']],
  ];

  it('is told of once: an old file, beside a newest of which nothing is durable', async () => {
    await using house = await twoFiles(0);
    flipOld(house);
    await killedStart(house);
    expect((await goesOn(house)).told).toEqual(['audit-000000000001.jsonl.damaged-', 'audit.jsonl.damaged-']);
  });

  it.each(DAMAGES)('is told of once: %s', async (_, damage, expected) => {
    await using house = await twoFiles(1);
    damage(house);
    await killedStart(house);
    await killedStart(house);
    expect((await goesOn(house)).told).toEqual(expected);
  });

  it.each(DAMAGES)('is told of once where a loss of power took back that it was renamed: %s', async (_, damage, expected) => {
    await using house = await twoFiles(1);
    damage(house);
    await killedStart(house);
    for (const name of readdirSync(house.dir).filter((each) => each.includes('.damaged-')))
      renameSync(join(house.dir, name), join(house.dir, name.replace(/\.damaged-.*$/, '')));
    expect((await goesOn(house)).told).toEqual(expected);
  });

  it('is told of apart from what came into the file that was begun in its place', async () => {
    await using house = await twoFiles(1);
    writeFileSync(house.log, 'rubbish\n');
    await killedStart(house);
    appendFileSync(house.log, 'other rubbish\n');
    const { told, kept } = await goesOn(house);
    expect(told).toEqual(['audit.jsonl.damaged-', 'audit.jsonl.damaged--2']);
    expect(kept.map((name) => readFileSync(join(house.dir, name), 'utf8'))).toEqual(['rubbish\n', 'other rubbish\n']);
  });
});

describe('no store at all, beside a log', () => {
  it('is made again out of the log, as far as was signed', async () => {
    await using house = await openTestHouse();
    const ids = await withCopy(house);
    const before = await shown(house, ids);
    await house.close();
    dropStore(house);
    await house.restart();
    expect(await shown(house, ids)).toEqual(before);
    expect(recovered(house)).toMatchObject([{ data: { restored: { from: 1 } } }]);
    expect(verifyLog(logOf(house))).toMatchObject({ fault: null });
  });
});

describe('a store that cannot be read', () => {
  const sql = (house: TestHouse, statements: string) => {
    const db = new Database(join(house.dir, 'incidents.db'));
    db.exec(statements);
    db.close();
  };
  const overwrite = (house: TestHouse, at: number, bytes: Buffer) => {
    sql(house, 'PRAGMA wal_checkpoint(TRUNCATE)');
    const path = join(house.dir, 'incidents.db');
    const file = readFileSync(path);
    bytes.copy(file, at);
    writeFileSync(path, file);
  };
  it.each<[string, (house: TestHouse) => void]>([
    ['rubbish stands in its place', (house) => overwrite(house, 0, randomBytes(20_000))],
    ['some of its pages are rubbish', (house) => overwrite(house, 4096, randomBytes(16_384))],
    [
      'it was cut in half',
      (house) => writeFileSync(join(house.dir, 'incidents.db'), readFileSync(join(house.dir, 'incidents.db')).subarray(0, 40_000)),
    ],
    ['its last record is rubbish', (house) => sql(house, `UPDATE records SET line = 'x' WHERE seq = (SELECT max(seq) FROM records)`)],
    ['a part of its tree is gone', (house) => sql(house, 'DELETE FROM tree WHERE n = 0')],
    ['a table is gone', (house) => sql(house, 'DROP TABLE records')],
  ])('because %s is kept aside and made again out of the log', async (_, damage) => {
    await using house = await openTestHouse();
    const ids = await withCopy(house);
    const before = await shown(house, ids);
    await house.close();
    damage(house);
    await house.restart();
    expect(await shown(house, ids)).toEqual(before);
    expect(readdirSync(house.dir).filter((name) => /^incidents\.db\.damaged-[0-9TZ]+$/.test(name))).toHaveLength(1);
    expect(recovered(house)).toMatchObject([
      { data: { restored: { from: 1 }, damaged: null } },
      {
        data: { damaged: expect.stringContaining('incidents.db.damaged-'), reason: expect.stringContaining('the database cannot be read') },
      },
    ]);
    expect((await found(house)).length).toBe(2);
    expect(verifyLog(logOf(house))).toMatchObject({ fault: null, torn: false });
    await house.restart();
    expect(recovered(house)).toHaveLength(2);
  });

  it('goes on all the same where the log cannot make it again', async () => {
    await using house = await openTestHouse();
    await withCopy(house);
    await house.close();
    writeFileSync(join(house.dir, 'incidents.db'), 'rubbish');
    rmSync(logOf(house));
    await house.restart();
    await report(house, 2);
    expect(recovered(house)[0]).toMatchObject({ data: { went_on_as: { origin: expect.stringMatching(/^test\/incident-recorder\//) } } });
    expect(verifyLog(logOf(house))).toMatchObject({ fault: null, torn: false });
  });
});

describe('a forged store', () => {
  it('whose records are not those of its checkpoint goes on as another log', async () => {
    await using house = await openTestHouse();
    await report(house, 6);
    await house.close();
    const [note, key] = [noteOf(house), keyOf(house)];
    const db = new Database(join(house.dir, 'incidents.db'));
    db.exec(`UPDATE tree SET hash = randomblob(32) WHERE level = 4`);
    db.close();
    await house.restart();
    expect(recovered(house)).toMatchObject([{ data: { went_on_as: { origin: expect.stringMatching(/^test\/incident-recorder\//) } } }]);
    expect(faultByCheckpoint(verifyLog(logOf(house)), note, key)).toBeNull();
  });
});

describe('a sound store', () => {
  it('is left as it is: after a stop, after a start without a checkpoint, under a checkpoint of somebody else', async () => {
    await using house = await openTestHouse();
    await report(house, 6);
    await house.restart();
    await house.close();
    rmSync(`${logOf(house)}.checkpoint`);
    await house.restart();
    await house.close();
    // Of another log, and larger than ours: not signed by our key, so it tells nothing.
    await using other = await openTestHouse();
    await report(other, 40);
    await other.close();
    copyFileSync(`${logOf(other)}.checkpoint`, `${logOf(house)}.checkpoint`);
    await house.restart();
    expect(recovered(house)).toEqual([]);
    expect(await found(house)).toEqual([]);
    expect(keyOf(house).split('+')[0]).toBe('test/incident-recorder');
  });
});
