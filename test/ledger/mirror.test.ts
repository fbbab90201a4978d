// The log file is a byte-exact copy of the records: after a crash, on a full disk, and beside whoever has touched it.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filesOf } from '../../src/audit/segments.ts';
import { type Mirror, openMirror } from '../../src/ledger/mirror.ts';
import type { Damage, Synced } from '../../src/audit/segments.ts';
import { openFolder } from '../support/folder.ts';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { startProgram } from '../support/program.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';
import { verifyLog } from '../support/verify-log.mjs';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const NOTHING: Synced = { seq: 0, offset: 0, first: 1 };
const ROTATION = { bytes: 2 ** 26, age_ms: 86_400_000 };

/** A report that raises no alert, so that every critical line is about the log file. */
const QUIET = { class: 'tool_call_burst' };

function open(path: WritePath, synced: Synced, file = join(path.dir, 'audit.jsonl'), rotation = ROTATION): Mirror {
  return openMirror({ path: file, records: path.store.records, synced, rotation, log: path.log, now: path.clock.now });
}

/** Opens it, lets it follow, and closes it. Returns what was damaged. */
function follow(path: WritePath, synced: Synced): Damage[] {
  const mirror = open(path, synced);
  mirror.follow();
  mirror.close();
  return mirror.takeDamage();
}

/** What the file has to be, and the offset at which each record ends in it. */
function copyOf(path: WritePath): { bytes: Buffer; ends: number[] } {
  const lines = path.store.records.after(0, 1e6, 1e9).map(({ line }) => Buffer.from(`${line}\n`));
  let end = 0;
  return { bytes: Buffer.concat(lines), ends: lines.map((line) => (end += line.length)) };
}

/** Waits until it is so; the test's own deadline is the limit. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const auditOf = (house: TestHouse) => join(house.dir, 'audit.jsonl');
const keptAside = (house: TestHouse) => readdirSync(house.dir).filter((name) => name.includes('.damaged-'));
const ofType = (house: TestHouse, type: string) => house.records().filter((record) => record.type === type);

describe('the log file', () => {
  it('holds a record before its change is answered', async () => {
    await using house = await openTestHouse();
    for (let i = 0; i < 5; i += 1) {
      const { body } = await house.post('/api/v1/incidents/report', aReport({ ...QUIET, description: `nr ${i} é \u202e` })).expect(201);
      const line = readFileSync(auditOf(house), 'utf8')
        .split('\n')
        .find((each) => each.startsWith(`{"v":1,"seq":${body.audit.seq},`));
      expect(line?.endsWith(`,"hash":"${body.audit.hash}"}`)).toBe(true);
    }
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false });
  });

  it('is the copy of the records again, whatever a crash has left behind its durable part', async () => {
    using path = openWritePath();
    for (let i = 0; i < 12; i += 1) await path.report({ ...QUIET, description: `é${'x'.repeat(i * 50)}` });
    const { bytes, ends } = copyOf(path);
    const file = join(path.dir, 'audit.jsonl');
    fc.assert(
      fc.property(fc.nat(ends.length), fc.nat(), fc.uint8Array({ maxLength: 300 }), (seq, kept, garbage) => {
        const offset = seq === 0 ? 0 : Number(ends[seq - 1]);
        const torn = offset + (kept % (bytes.length - offset + 1));
        writeFileSync(file, bytes.subarray(0, torn));
        // Before anything is durable the first bytes are all that tells our file from another's.
        if (seq > 0) appendFileSync(file, garbage);
        expect(follow(path, { seq, offset, first: 1 })).toEqual([]);
        expect(readFileSync(file).equals(bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('tells what is durable in it: its last record, and the offset at which that ends', async () => {
    using path = openWritePath();
    await path.report(QUIET);
    const mirror = open(path, NOTHING);
    mirror.follow();
    const { ends } = copyOf(path);
    // One at a time: of two that overlap, one may fail and the other know nothing of it.
    const [first, second] = await Promise.all([mirror.sync(), mirror.sync()]);
    expect([first, second]).toEqual([{ seq: ends.length, offset: ends.at(-1), first: 1 }, null]);
    expect(await mirror.sync()).toBeNull();
    await path.report(QUIET);
    mirror.follow();
    expect(mirror.syncNow()).toEqual({ seq: copyOf(path).ends.length, offset: copyOf(path).ends.at(-1), first: 1 });
    expect(mirror.syncNow()).toBeNull();
    mirror.close();
  });

  it('is read on from what was remembered as durable, not from its beginning', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    await house.restart();
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    expect(ofType(house, 'log.recovered')).toEqual([]);
    expect(ofType(house, 'service.stopped')).toMatchObject([{ data: { reason: 'test' } }]);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false, records: house.records().length });
  });
});

describe('on a full disk', () => {
  it('the log file lags, reports are answered all the same, health says so, and it catches up by itself', async ({ skip }) => {
    using disk = openSmallDisk(1024);
    if (!disk) return skip(NO_SMALL_DISK);
    const file = join(disk.dir, 'audit.jsonl');
    using elsewhere = openFolder();
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: file, DATABASE_PATH: join(elsewhere.path, 'incidents.db') } });
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    disk.fill();
    const answered: string[] = [];
    for (let i = 0; i < 20; i += 1) {
      const { body } = await house
        .post('/api/v1/incidents/report', aReport({ ...QUIET, evidence: { padding: 'x'.repeat(2000) } }))
        .expect(201);
      answered.push(body.audit.hash);
    }
    const { body: health } = await house.get('/health').expect(200);
    expect(health).toMatchObject({ status: 'degraded', checks: { audit: 'lagging', store: 'ok', disk: 'ok' } });
    expect(verifyLog(file)).toMatchObject({ fault: null, torn: false });
    expect(readFileSync(file, 'utf8')).not.toContain(String(answered.at(-1)));
    expect(house.logged.filter(({ level }) => level === 'critical').map(({ message }) => message)).toContain(
      'the audit log file cannot be written; records are safe in the store',
    );

    disk.free();
    await until(async () => (await house.get('/health')).body.checks.audit === 'ok');
    expect((await house.get('/health').expect(200)).body.status).toBe('ok');
    const log = readFileSync(file, 'utf8');
    for (const hash of answered) expect(log).toContain(`"hash":"${hash}"}\n`);
    expect(verifyLog(file)).toMatchObject({ fault: null, torn: false });
  });

  it('the log file that lagged when the service ended is caught up with at the next start', async ({ skip }) => {
    using disk = openSmallDisk(1024);
    if (!disk) return skip(NO_SMALL_DISK);
    const file = join(disk.dir, 'audit.jsonl');
    using elsewhere = openFolder();
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: file, DATABASE_PATH: join(elsewhere.path, 'incidents.db') } });
    disk.fill();
    for (let i = 0; i < 20; i += 1)
      await house.post('/api/v1/incidents/report', aReport({ ...QUIET, evidence: { padding: 'x'.repeat(2000) } })).expect(201);
    await house.close();
    disk.free();
    await house.restart();
    const { fault, torn, records } = verifyLog(file);
    expect({ fault, torn }).toEqual({ fault: null, torn: false });
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    expect(lines).toHaveLength(records);
    expect(lines.filter((line) => line.includes('"type":"incident.reported"'))).toHaveLength(20);
    expect(lines.filter((line) => line.includes('"type":"log.recovered"'))).toEqual([]);
  });
});

describe('a log file that cannot be made durable', () => {
  it.for([1, 2])(
    'ends with what was durable before; all that followed is written to another one out of the store (fdatasync %i fails)',
    { timeout: 30_000 },
    async (failing, { skip }) => {
      try {
        execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
      } catch {
        return skip('strace cannot trace here');
      }
      using folder = openFolder();
      const file = join(folder.path, 'audit.jsonl');
      const inject = ['-e', 'trace=fdatasync', '-e', `inject=fdatasync:error=EIO:when=${failing}`];
      await using program = await startProgram({
        dir: folder.path,
        // One thread, or each of the pool's would fail once.
        env: { UV_THREADPOOL_SIZE: '1' },
        under: ['strace', '-f', '-qq', '-o', join(folder.path, 'trace'), '-P', file, ...inject],
      });
      const failed = () => readFileSync(join(folder.path, 'trace'), 'utf8').includes('= -1 EIO');
      const checks = async () => (await (await fetch(`${program.url}/health`)).json()) as { status: string; checks: { audit: string } };
      const headers = { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' };
      const hashes: string[] = [];
      await until(async () => {
        const answer = await fetch(`${program.url}/api/v1/incidents/report`, { method: 'POST', headers, body: JSON.stringify(aReport()) });
        expect(answer.status).toBe(201);
        hashes.push(((await answer.json()) as { audit: { hash: string } }).audit.hash);
        return failed();
      });
      await until(async () => (await checks()).checks.audit === 'ok');
      const segment = join(folder.path, 'audit-000000000001.jsonl');
      expect(existsSync(segment)).toBe(failing === 2);
      const files = failing === 2 ? [segment, file] : [file];
      const { leaves, ...found } = verifyLog(files);
      expect(found).toMatchObject({ fault: null, torn: false });
      expect(hashes.filter((hash) => !leaves.includes(hash))).toEqual([]);
      expect(program.output()).toContain('the system failed to make the audit log file durable');
      await program[Symbol.asyncDispose]();
      await using again = await startProgram({ dir: folder.path });
      expect(again.output()).not.toContain('damaged');
      expect(verifyLog(filesOf(file))).toMatchObject({ fault: null, torn: false });
    },
  );
});

describe('a log file that is not what was written to it', () => {
  /** How it is changed, given the offset at which its last durable line begins. */
  const DAMAGE: [string, (file: string, last: number) => void][] = [
    ['its last durable line was changed', (file, last) => writeAt(file, last + 30, 'X')],
    ['its end was cut off', (file, last) => truncateSync(file, last)],
    ['it was cut within a line', (file, last) => truncateSync(file, last + 10)],
    ['it was emptied', (file) => truncateSync(file, 0)],
    ['a line was taken out of it', (file) => writeFileSync(file, readFileSync(file, 'utf8').split('\n').toSpliced(2, 1).join('\n'))],
    ['a line was put into it', (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('\n', '\n{"v":1}\n'))],
    ['another file was put in its place', (file) => writeFileSync(file, 'dear diary\n'.repeat(5000))],
  ];
  function writeAt(file: string, at: number, text: string): void {
    const bytes = readFileSync(file);
    bytes.write(text, at);
    writeFileSync(file, bytes);
  }
  async function damaged(house: TestHouse, damage: (file: string, last: number) => void): Promise<Buffer> {
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    await house.close();
    const whole = readFileSync(auditOf(house));
    damage(auditOf(house), whole.lastIndexOf(10, -2) + 1);
    const left = readFileSync(auditOf(house));
    expect(left.equals(whole)).toBe(false);
    await house.restart();
    return left;
  }

  it.each(DAMAGE)('because %s is kept aside untouched, written anew, recorded and raised once', async (_, damage) => {
    await using house = await openTestHouse();
    const left = await damaged(house, damage);

    const [aside] = keptAside(house);
    expect(keptAside(house)).toHaveLength(1);
    expect(readFileSync(join(house.dir, String(aside))).equals(left)).toBe(true);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false });
    expect(ofType(house, 'log.recovered')).toMatchObject([
      { actor: 'recorder', data: { damaged: expect.stringContaining(String(aside)), reason: expect.stringMatching(/./) } },
    ]);
    const { body: found } = await house.get('/api/v1/incidents?source=incident-recorder').expect(200);
    expect(found).toMatchObject([
      { class: 'integrity_violation', severity: 'critical', state: 'open', occurrences: 1, containment_actions: [] },
    ]);
    expect(basename(found[0].evidence.kept_as)).toBe(aside);
    expect(house.logged.filter(({ level }) => level === 'critical')).toHaveLength(1);

    await house.restart();
    await house.restart();
    expect(keptAside(house)).toHaveLength(1);
    expect(ofType(house, 'log.recovered')).toHaveLength(1);
    expect((await house.get('/api/v1/incidents?source=incident-recorder').expect(200)).body).toMatchObject([{ occurrences: 1 }]);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false });
  });

  it('because it is gone is written anew, recorded and raised', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    await house.close();
    rmSync(auditOf(house));
    await house.restart();
    expect(ofType(house, 'log.recovered')).toMatchObject([{ data: { reason: expect.stringContaining('the file is 0 bytes long') } }]);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false, records: house.records().length });
  });

  it('a second time, after the first was resolved, is a new incident that follows', async () => {
    await using house = await openTestHouse();
    await damaged(house, (file) => truncateSync(file, 0));
    const { body: first } = await house.get('/api/v1/incidents?source=incident-recorder').expect(200);
    await house.post('/api/v1/incidents/resolve', { id: first[0].id }).expect(200);
    await damaged(house, (file) => truncateSync(file, 10));
    const { body: second } = await house.get('/api/v1/incidents?source=incident-recorder&state=open').expect(200);
    expect(second).toMatchObject([{ follows: first[0].id }]);
    expect(keptAside(house)).toHaveLength(2);
  });

  it.each([
    ['somebody else wrote', 'dear diary\n'],
    ['somebody else wrote without a line end', 'dear diary'],
    ['another recorder wrote', '{"v":1,"seq":1,"ts":"2026-03-13T08:15:30.123Z","type":"log.opened"}\n'],
    ['holds an empty line', '\n'],
  ])('since it was there before the first start and %s is kept aside, and a fresh one begun', async (_, text) => {
    await using house = await openTestHouse();
    await house.close();
    for (const name of readdirSync(house.dir)) if (/^incidents\.db|^checkpoint/.test(name)) rmSync(join(house.dir, name));
    writeFileSync(auditOf(house), text);
    await house.restart();
    const [aside] = keptAside(house);
    expect(readFileSync(join(house.dir, String(aside)), 'utf8')).toBe(text);
    expect(house.records()[0]).toMatchObject({ seq: 1, type: 'log.opened' });
    expect(ofType(house, 'log.recovered')).toMatchObject([{ data: { reason: 'the file was not written from this store' } }]);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false });
  });

  it('since an older copy of the store was put back is kept aside whole: records that only it still holds are evidence', async () => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    await house.close();
    const store = join(house.dir, 'incidents.db');
    copyFileSync(store, `${store}.old`);
    await house.restart();
    await house.post('/api/v1/incidents/report', aReport({ ...QUIET, description: 'what was to be forgotten' })).expect(201);
    await house.close();
    const newer = readFileSync(auditOf(house));
    copyFileSync(`${store}.old`, store);
    for (const rest of ['-wal', '-shm']) rmSync(store + rest, { force: true });
    // With it the records would be taken from the log.
    rmSync(`${auditOf(house)}.checkpoint`);
    await house.restart();

    const [aside] = keptAside(house);
    expect(aside).toBeDefined();
    expect(readFileSync(join(house.dir, String(aside))).equals(newer)).toBe(true);
    expect(ofType(house, 'log.recovered')).toMatchObject([
      { data: { reason: 'a file of the log holds records that the store does not', went_on_as: { instance: expect.any(String) } } },
      { data: { reason: expect.stringContaining('which the store does not hold') } },
    ]);
    expect((await house.get('/api/v1/incidents?source=incident-recorder').expect(200)).body).toMatchObject([
      { class: 'integrity_violation', severity: 'critical' },
      { class: 'integrity_violation', severity: 'critical' },
    ]);
    expect(verifyLog(auditOf(house))).toMatchObject({ fault: null, torn: false });
  });

  it('never loses the name it was kept under to a later one of the same instant', async () => {
    using path = openWritePath();
    await path.report(QUIET);
    const file = join(path.dir, 'audit.jsonl');
    const { ends } = copyOf(path);
    const synced = { seq: ends.length, offset: Number(ends.at(-1)), first: 1 };
    const kept: string[] = [];
    for (const text of ['first\n', 'second\n']) {
      writeFileSync(file, text);
      kept.push(String(follow(path, synced)[0]?.file));
    }
    expect(kept.map((name) => readFileSync(name, 'utf8'))).toEqual(['first\n', 'second\n']);
  });

  it('is cut without a word where it is merely torn', async () => {
    using path = openWritePath();
    await path.report(QUIET);
    const { bytes, ends } = copyOf(path);
    const file = join(path.dir, 'audit.jsonl');
    writeFileSync(file, bytes.subarray(0, -5));
    expect(follow(path, { seq: 1, offset: Number(ends[0]), first: 1 })).toEqual([]);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(path.logged).toEqual([]);
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });
});

describe('following', () => {
  it('never throws and never goes ahead of the records', async () => {
    using path = openWritePath();
    const mirror = open(path, NOTHING);
    await path.report(QUIET);
    mirror.close(); // so that every write fails
    mirror.follow();
    expect(mirror.health).toBe('lagging');
    mirror.follow();
    expect(path.logged.filter(({ level }) => level === 'critical')).toHaveLength(1);
    await path.report(QUIET);
    const second = open(path, NOTHING);
    second.follow();
    expect(readFileSync(join(path.dir, 'audit.jsonl')).equals(copyOf(path).bytes)).toBe(true);
    second.close();
  });
});
