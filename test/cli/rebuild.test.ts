// `rebuild` as an operator calls it: what it prints, and what a script reads from its exit code.

import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareStores } from '../../src/store/compare.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { ROOT } from '../support/program.ts';

const dir = mkdtempSync(join(tmpdir(), 'cli-'));
const at = (name: string) => join(dir, name);
let lines: string[] = [];

beforeAll(async () => {
  await using house = await openTestHouse();
  for (let i = 0; i < 5; i += 1) await house.post('/api/v1/incidents/report', aReport()).expect(201);
  await house.close();
  copyFileSync(join(house.dir, 'audit.jsonl'), at('audit.jsonl'));
  copyFileSync(join(house.dir, 'incidents.db'), at('kept.db'));
  lines = readFileSync(at('audit.jsonl'), 'utf8').trimEnd().split('\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function run(args: string[], env: Record<string, string> = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'dist/cli.js'), 'rebuild', ...args], { cwd: dir, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('rebuild', () => {
  it('makes the database that was kept, says what is in it, and ends with 0', async () => {
    const { code, stdout, stderr } = await run(['audit.jsonl', '--to', 'new.db']);
    const hash = (lines.at(-1) ?? '').slice(-66, -2);
    expect(stdout).toBe(`new.db holds what records 1 to ${lines.length} tell; the last has hash ${hash}\n`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(compareStores(at('kept.db'), at('new.db'))).toEqual([]);
  });

  it('takes log and database from the environment, as the service does', async () => {
    expect(await run([], { AUDIT_LOG_PATH: at('audit.jsonl'), DATABASE_PATH: at('named.db') })).toMatchObject({ code: 0 });
    expect(await run([], { AUDIT_LOG_PATH: at('audit.jsonl') })).toMatchObject({ code: 0 });
    for (const name of ['named.db', 'incidents.db']) expect(compareStores(at('kept.db'), at(name))).toEqual([]);
  });

  it('never writes over a database, and ends with 2', async () => {
    writeFileSync(at('mine.db'), 'mine');
    const { code, stdout, stderr } = await run(['audit.jsonl', '--to', 'mine.db']);
    expect(stderr).toBe('incident-recorder: mine.db: there is a database already; it is never written over\n');
    expect({ code, stdout, mine: readFileSync(at('mine.db'), 'utf8') }).toEqual({ code: 2, stdout: '', mine: 'mine' });
  });

  it('names record, byte and reason of the first fault, makes nothing, and ends with 3', async () => {
    writeFileSync(at('edited.jsonl'), `${lines.with(4, (lines[4] ?? '').replace('ignore', 'obey')).join('\n')}\n`);
    const { code, stdout } = await run(['edited.jsonl', '--to', 'edited.db']);
    const offset = Buffer.byteLength(lines.slice(0, 4).join('\n')) + 1;
    expect(stdout).toBe(`TAMPERED: record 5, at byte ${offset} of edited.jsonl, its hash does not fit its bytes\nnothing was made\n`);
    expect([code, existsSync(at('edited.db')), existsSync(at('edited.db.rebuilding'))]).toEqual([3, false, false]);
  });

  it('says that a torn last line was left out, and what was added to end the last change', async () => {
    const reported = lines.findIndex((line) => line.includes('"type":"incident.reported"'));
    writeFileSync(at('torn.jsonl'), `${lines.slice(0, reported + 1).join('\n')}\n{"v":1,`);
    const { code, stdout } = await run(['torn.jsonl', '--to', 'torn.db']);
    expect(code).toBe(0);
    expect(stdout).toContain('the last line is torn and was left out: 7 bytes without an end');
    expect(stdout).toContain('the log ends within a change; 2 records were added that end it');
  });

  it('speaks JSON to scripts', async () => {
    const made = await run(['audit.jsonl', '--to', 'json.db', '--json']);
    expect([made.code, JSON.parse(made.stdout)]).toEqual([
      0,
      expect.objectContaining({ verdict: 'rebuilt', database: 'json.db', first: 1, last: lines.length, fault: null, torn: 0, added: 0 }),
    ]);
    writeFileSync(at('short.jsonl'), `${lines.toSpliced(2, 1).join('\n')}\n`);
    const refused = await run(['short.jsonl', '--to', 'short.db', '--json']);
    expect([refused.code, JSON.parse(refused.stdout)]).toEqual([3, expect.objectContaining({ verdict: 'tampered', database: null })]);
  });

  it('refuses what it cannot use in one line: no such log, a log without its beginning', async () => {
    const missing = await run(['nowhere.jsonl', '--to', 'x.db']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/^incident-recorder: .*nowhere\.jsonl.*\n$/);
    writeFileSync(at('headless.jsonl'), `${lines.slice(3).join('\n')}\n`);
    const headless = await run(['headless.jsonl', '--to', 'x.db']);
    expect(headless).toMatchObject({ code: 1, stdout: '' });
    expect(headless.stderr).toMatch(/^incident-recorder: record 3 of the log cannot be told again: it is missing.*\n$/);
    expect(existsSync(at('x.db'))).toBe(false);
  });

  it('helps, with an example', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Example:');
  });
});
