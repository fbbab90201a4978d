// `audit verify` against what somebody holds: checkpoints, keys, a database; over all files of a log, named by its newest.

import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oldSegmentsOf } from '../../src/audit/segments.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { ROOT } from '../support/program.ts';

const dir = mkdtempSync(join(tmpdir(), 'held-'));
const log = join(dir, 'audit.jsonl');
/** The key of before and of after it was changed, and what was published under each. */
const keys: string[] = [];
const notes: string[] = [];

beforeAll(async () => {
  await using house = await openTestHouse({ env: { AUDIT_ROTATE_BYTES: '100000' } });
  const publish = async () => {
    for (let i = 0; i < 12; i += 1)
      await house.post('/api/v1/incidents/report', aReport({ evidence: { text: 'x'.repeat(15_000) } })).expect(201);
    while (oldSegmentsOf(join(house.dir, 'audit.jsonl')).length <= keys.length) await new Promise((resolve) => setTimeout(resolve, 50));
    await house.close();
    keys.push(String(house.logged.findLast(({ message }) => message === 'listening')?.['key']));
    notes.push(readFileSync(join(house.dir, 'audit.jsonl.checkpoint'), 'utf8'));
  };
  await publish();
  rmSync(join(house.dir, 'checkpoint.key'));
  await house.restart();
  await publish();
  for (const name of ['audit.jsonl', 'audit.jsonl.checkpoint', 'incidents.db']) copyFileSync(join(house.dir, name), join(dir, name));
  for (const { path } of oldSegmentsOf(join(house.dir, 'audit.jsonl'))) copyFileSync(path, path.replace(house.dir, dir));
  notes.forEach((note, i) => writeFileSync(join(dir, `held-${i}`), note));
  writeFileSync(join(dir, 'key'), `${keys[0]}\n`);
}, 60_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function verify(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'dist/cli.js'), 'audit', 'verify', ...args], { cwd: dir, env: {} }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const both = ['--pubkey', 'key', '--pubkey'];

describe('audit verify', () => {
  it('takes the newest file for the whole log, compressed files among it', async () => {
    const { code, stdout } = await verify(log);
    expect(stdout).toMatch(/^records 1 to \d+ are sound/);
    expect(code).toBe(0);
    const [old] = oldSegmentsOf(log);
    const bytes = readFileSync(String(old?.path));
    writeFileSync(`${old?.path}.gz`, gzipSync(bytes));
    rmSync(String(old?.path));
    expect(await verify(log)).toMatchObject({ code: 0, stdout });
    writeFileSync(String(old?.path), bytes);
    rmSync(`${old?.path}.gz`);
    expect((await verify(String(oldSegmentsOf(log)[1]?.path))).stdout).toMatch(
      /^records \d+ to \d+ are sound.*\nTAMPERED: the log begins with record/,
    );
  });

  it('holds checkpoints of both keys against it, when both are trusted; a key may stand in a file', async () => {
    const { code, stdout } = await verify(log, ...both, String(keys[1]), '--checkpoint', 'held-0', '--checkpoint', 'held-1');
    const covered = notes.map((note) => note.split('\n')[1]);
    expect(stdout).toContain(`held-0: the first ${covered[0]} records are the ones that it covers\n`);
    expect(stdout).toContain(`held-1: the first ${covered[1]} records are the ones that it covers\n`);
    expect(stdout).toContain(`record 1 puts the log under the key ${keys[0]}\n`);
    expect(code).toBe(0);
  });

  it('takes the checkpoint beside the log when only a key is given', async () => {
    expect((await verify(log, ...both, String(keys[1]))).stdout).toContain('audit.jsonl.checkpoint: the first');
    expect((await verify(log)).stdout).not.toContain('checkpoint');
  });

  it('does not trust a key because the log names it: it says at which record the log was put under it', async () => {
    const { code, stdout } = await verify(log, '--pubkey', 'key', '--checkpoint', 'held-0', '--checkpoint', 'held-1');
    expect(stdout).toMatch(/TAMPERED: record \d+ puts the log under the key \S+, which is not the one given\n/);
    expect(stdout).toContain('TAMPERED: held-1: is not signed by the key given\n');
    expect(stdout).toContain('\nheld-0: the first');
    expect(code).toBe(3);
  });

  it('says so where it did not check a signature', async () => {
    const { code, stdout } = await verify(log, '--checkpoint', 'held-0');
    expect(stdout).toContain('its signature was not checked, since no key was given');
    expect(code).toBe(0);
  });

  it('holds a database against it, field by field', async () => {
    expect(await verify(log, '--db', 'incidents.db')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('incidents.db holds what the log tells\n'),
    });
    copyFileSync(join(dir, 'incidents.db'), join(dir, 'forged.db'));
    const db = new Database(join(dir, 'forged.db'));
    db.prepare(`UPDATE incidents SET state = 'resolved' WHERE seq = (SELECT min(seq) FROM incidents)`).run();
    db.close();
    const { code, stdout } = await verify(log, '--db', 'forged.db');
    expect(stdout).toMatch(/TAMPERED: forged\.db: incidents seq \d+ state is resolved; by the log it is contained\n/);
    expect(code).toBe(3);
    expect(await verify(log, '--db', 'none.db')).toMatchObject({ code: 1, stderr: expect.stringContaining('no such database') });
  });

  it('refuses in one line what is no key and no checkpoint', async () => {
    for (const args of [
      ['--pubkey', 'a+b'],
      ['--pubkey', `${keys[0]}x`],
      ['--checkpoint', 'key'],
      ['--checkpoint', 'audit.jsonl'],
    ]) {
      const { code, stderr } = await verify(log, ...args);
      expect([code, stderr.split('\n')]).toEqual([2, [expect.stringMatching(/^incident-recorder: /), '']]);
    }
    expect(await verify(log, '--checkpoint', 'nowhere')).toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere') });
  });
});
