// The log over many files: when one ends, what it is called, and what a start makes of whatever a crash or a stranger left of them.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesOf, oldSegmentsOf } from '../../src/audit/segments.ts';
import { type Mirror, openMirror } from '../../src/ledger/mirror.ts';
import type { Synced } from '../../src/audit/segments.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { verifyLog } from '../support/verify-log.mjs';
import { type WritePath, openWritePath } from '../support/write-path.ts';

const QUIET = { class: 'tool_call_burst' };
const logOf = ({ dir }: { dir: string }) => join(dir, 'audit.jsonl');
const segment = (of: { dir: string }, first: number) => join(of.dir, `audit-${String(first).padStart(12, '0')}.jsonl`);
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const keptAside = ({ dir }: { dir: string }) => readdirSync(dir).filter((name) => name.includes('.damaged-'));

function open(
  path: WritePath,
  synced: Synced = { seq: 0, offset: 0, first: 1 },
  rotation = { bytes: 2 ** 26, age_ms: 86_400_000 },
): Mirror {
  return openMirror({ path: logOf(path), records: path.store.records, synced, rotation, log: path.log, now: path.clock.now });
}

/** Reports, and ends the file after each of these numbers of them. */
async function fill(path: WritePath, ...counts: number[]): Promise<void> {
  for (const count of counts) {
    for (let i = 0; i < count; i += 1) await path.report(QUIET);
    await path.recorder.endFile();
  }
}

/** The files are the records, split behind each `log.rotated`; the newest is whatever follows the last. */
function expectSplit(path: WritePath): void {
  const all = path.records();
  const files = filesOf(logOf(path));
  const lines = files.map(linesOf);
  expect(lines.flat()).toEqual(path.store.records.after(0, 1e6, 1e9).map(({ line }) => line));
  for (const each of lines.slice(0, -1)) expect(JSON.parse(String(each.at(-1)))).toMatchObject({ type: 'log.rotated' });
  expect(files.slice(0, -1).map((file) => Number(/-(\d{12})\./.exec(file)?.[1]))).toEqual(
    all.flatMap(({ type, seq }, i) => (i === 0 ? [1] : type === 'log.rotated' ? [seq + 1] : [])).slice(0, files.length - 1),
  );
  expect(verifyLog(files)).toMatchObject({ fault: null, torn: false, records: all.length });
}

describe('a file of the log', () => {
  it('ends with log.rotated, lies beside the newest under its first seq, readable only, and seq and prev go on', async () => {
    using path = openWritePath({ onCommit: () => mirror.follow() });
    const mirror = open(path);
    await fill(path, 3, 2);
    await path.report(QUIET);
    expectSplit(path);
    expect(filesOf(logOf(path))).toHaveLength(3);
    expect(statSync(segment(path, 1)).mode & 0o777).toBe(0o440);
    expect(statSync(logOf(path)).mode & 0o777).toBe(0o640);
    mirror.close();
  });

  it('is written the same whenever the mirror catches up: file by file, or all at once', async () => {
    using path = openWritePath();
    await fill(path, 3, 1, 2);
    await path.report(QUIET);
    const mirror = open(path);
    mirror.follow();
    mirror.close();
    expectSplit(path);
    expect(filesOf(logOf(path))).toHaveLength(4);
  });

  it('is full by size, and by the age of its first record; an empty one never is', async () => {
    using path = openWritePath();
    const mirror = open(path, undefined, { bytes: 3000, age_ms: 60_000 });
    mirror.follow();
    expect(mirror.isFull()).toBe(false);
    path.clock.advance(120_000);
    expect(mirror.isFull()).toBe(false);
    await path.report(QUIET);
    mirror.follow();
    expect(mirror.isFull()).toBe(false);
    path.clock.advance(60_000);
    expect(mirror.isFull()).toBe(true);
    await path.recorder.endFile();
    mirror.follow();
    expect(mirror.isFull()).toBe(false);
    while (!mirror.isFull()) {
      await path.report(QUIET);
      mirror.follow();
    }
    expect(statSync(logOf(path)).size).toBeGreaterThanOrEqual(3000);
    mirror.close();
  });

  it('is ended by the service of itself, and tail -F goes on with the newest', async () => {
    await using house = await openTestHouse({ env: { AUDIT_ROTATE_BYTES: '100000' } });
    const report = async () =>
      house.post('/api/v1/incidents/report', aReport({ ...QUIET, evidence: { text: 'x'.repeat(8000) } })).expect(201);
    while (filesOf(logOf(house)).length < 3) {
      await report();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { body } = await report();
    expect(readFileSync(logOf(house), 'utf8')).toContain(body.audit.hash);
    expect(verifyLog(filesOf(logOf(house)))).toMatchObject({ fault: null, torn: false });
    await house.restart();
    expect(keptAside(house)).toEqual([]);
    expect(verifyLog(filesOf(logOf(house)))).toMatchObject({ fault: null, torn: false });
  });
});

describe('a start', () => {
  /** Two ended files and a newest one; `synced` as it was remembered at any point. */
  async function split(path: WritePath): Promise<Synced[]> {
    const mirror = open(path);
    const remembered: Synced[] = [{ seq: 0, offset: 0, first: 1 }];
    const settle = async () => {
      mirror.follow();
      const synced = await mirror.sync();
      if (synced) remembered.push(synced);
    };
    for (let i = 0; i < 12; i += 1) {
      if (i % 5 === 4) await path.recorder.endFile();
      else await path.report(QUIET);
      await settle();
    }
    mirror.close();
    return remembered;
  }

  it('finds its place whatever was remembered last, and however much of the newest file is there', async () => {
    using path = openWritePath();
    const remembered = await split(path);
    const newest = readFileSync(logOf(path));
    const at = remembered.at(-1);
    for (const synced of remembered) {
      for (const size of [0, 1, 100, newest.length - 1, newest.length]) {
        if (synced.first === at?.first && size < synced.offset) continue;
        writeFileSync(logOf(path), newest.subarray(0, size));
        const mirror = open(path, synced);
        mirror.follow();
        mirror.close();
        expect(mirror.takeDamage()).toEqual([]);
        expect(readFileSync(logOf(path)).equals(newest)).toBe(true);
        expectSplit(path);
      }
    }
  });

  it('goes on where a crash came between the end of a file and its new name', async () => {
    using path = openWritePath();
    const [, ...remembered] = await split(path);
    const before = remembered.findLast(({ first }) => first === 1);
    for (const left of ['as it was', 'renamed', 'renamed, and nothing begun']) {
      for (const file of filesOf(logOf(path)).slice(left === 'as it was' ? 0 : 1)) rmSync(file);
      if (left === 'as it was') {
        const first = path.store.records.after(0, Number(before?.seq), 1e9).map(({ line }) => `${line}\n`);
        writeFileSync(logOf(path), first.join(''));
      } else if (left === 'renamed') writeFileSync(logOf(path), '');
      const mirror = open(path, before);
      mirror.follow();
      mirror.close();
      expect(mirror.takeDamage()).toEqual([]);
      expectSplit(path);
    }
  });

  const newestOld = (path: WritePath) => String(oldSegmentsOf(logOf(path)).at(-1)?.path);
  const DAMAGE: Record<string, { damage: (path: WritePath) => void }> = {
    'the newest old file cut at its end': { damage: (path) => rewrite(newestOld(path), (text) => text.slice(0, -40)) },
    'the newest old file gone': { damage: (path) => rmSync(newestOld(path)) },
    'a stranger among the names': { damage: (path) => writeFileSync(segment(path, 900), 'rubbish\n') },
    'a link among the names': { damage: (path) => execFileSync('ln', ['-s', '/etc/passwd', segment(path, 900)]) },
    'a folder among the names': { damage: (path) => execFileSync('mkdir', [segment(path, 900)]) },
    'a pipe among the names': { damage: (path) => execFileSync('mkfifo', [segment(path, 900)]) },
    'the newest file put among the old ones': { damage: (path) => renameSync(logOf(path), segment(path, 15)) },
  };
  function rewrite(path: string, change: (text: string) => string): void {
    const text = readFileSync(path, 'utf8');
    rmSync(path);
    writeFileSync(path, change(text));
  }

  it.each(Object.entries(DAMAGE))('keeps aside what is no part of the log, and has all of it again: %s', async (_, { damage }) => {
    using path = openWritePath();
    const remembered = await split(path);
    damage(path);
    const mirror = open(path, remembered.at(-1));
    mirror.follow();
    mirror.close();
    const found = mirror.takeDamage();
    expect(found.length).toBeGreaterThan(0);
    for (const { file } of found) expect(existsSync(file)).toBe(true);
    expectSplit(path);
  });

  it('cuts a torn end of the newest file, and nothing else', async () => {
    using path = openWritePath();
    const remembered = await split(path);
    const { size } = statSync(logOf(path));
    writeFileSync(logOf(path), '{"v":1,"seq":13,"ts":', { flag: 'a' });
    const mirror = open(path, remembered.at(-1));
    mirror.follow();
    mirror.close();
    expect(mirror.takeDamage()).toEqual([]);
    expect(statSync(logOf(path)).size).toBe(size);
  });
});

describe('a log file that is taken away while it is written', () => {
  const TAKEN: Record<string, (file: string) => void> = {
    removed: (file) => rmSync(file),
    moved: (file) => renameSync(file, `${file}.mine`),
    'replaced by another': (file) => {
      rmSync(file);
      writeFileSync(file, 'dear diary\n');
    },
  };
  it.each(Object.entries(TAKEN))('is there again within a second, whole, and told of: %s', async (_, take) => {
    await using house = await openTestHouse();
    await house.post('/api/v1/incidents/report', aReport(QUIET)).expect(201);
    take(logOf(house));
    const found = async () => (await house.get('/api/v1/incidents?source=incident-recorder').expect(200)).body as unknown[];
    while ((await found()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await found()).toMatchObject([{ class: 'integrity_violation', severity: 'critical' }]);
    expect(verifyLog(logOf(house))).toMatchObject({ fault: null, torn: false });
    const { body } = await house.http.get('/health').expect(200);
    expect(body).toMatchObject({ status: 'critical', checks: { audit: 'damaged' } });
  });

  it('is noticed only by that: a file that grew torn is not one', async () => {
    using path = openWritePath({ onCommit: () => mirror.follow() });
    const mirror = open(path);
    await path.report(QUIET);
    truncateSync(logOf(path), statSync(logOf(path)).size);
    await mirror.sync();
    expect(mirror.takeDamage()).toEqual([]);
    mirror.close();
  });
});
