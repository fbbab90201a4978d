// `audit verify` as an operator calls it: what it prints, and what a script reads from its exit code.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aReport, openTestHouse } from '../support/house.ts';
import { ROOT } from '../support/program.ts';

const dir = mkdtempSync(join(tmpdir(), 'cli-'));
const log = join(dir, 'audit.jsonl');
let lines: string[] = [];

beforeAll(async () => {
  await using house = await openTestHouse();
  for (let i = 0; i < 5; i += 1) await house.post('/api/v1/incidents/report', aReport()).expect(201);
  lines = readFileSync(join(house.dir, 'audit.jsonl'), 'utf8').trimEnd().split('\n');
  writeFileSync(log, `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'dist/cli.js'), ...args], { cwd: dir, env: {} }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

function altered(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return name;
}

const hashAt = (seq: number) => (lines[seq - 1] ?? '').slice(-66, -2);

describe('audit verify', () => {
  it('says that a log is sound, and ends with 0', async () => {
    const { code, stdout, stderr } = await run('audit', 'verify', 'audit.jsonl');
    expect(stdout).toBe(`records 1 to ${lines.length} are sound; the last has hash ${hashAt(lines.length)}\n`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('names record, byte and reason of the first fault, how much after it is sound, and ends with 3', async () => {
    const file = altered('edited.jsonl', `${lines.with(4, (lines[4] ?? '').replace('ignore', 'obey')).join('\n')}\n`);
    const { code, stdout } = await run('audit', 'verify', file);
    const offset = Buffer.byteLength(lines.slice(0, 4).join('\n')) + 1;
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      `TAMPERED: record 5, at byte ${offset} of edited.jsonl, its hash does not fit its bytes`,
      `records 1 to 4 are sound; the last has hash ${hashAt(4)}`,
      `after it ${lines.length - 5} records are sound in themselves`,
    ]);
    expect(code).toBe(3);
  });

  it('tells a torn last line from tampering, and ends with 4', async () => {
    const { code, stdout } = await run('audit', 'verify', altered('torn.jsonl', `${lines.join('\n')}\n${(lines[0] ?? '').slice(0, 30)}`));
    expect(stdout).toContain('the last line is torn: 30 bytes without an end');
    expect(code).toBe(4);
  });

  it('does not take a log without its head for whole', async () => {
    const { code, stdout } = await run('audit', 'verify', altered('headless.jsonl', `${lines.slice(3).join('\n')}\n`));
    expect(stdout).toContain('TAMPERED: the log begins with record 4; what came before it is missing');
    expect(code).toBe(3);
  });

  it('holds a receipt against it, which shows a tail that was cut off', async () => {
    const receipt = `${lines.length}:${hashAt(lines.length)}`;
    expect(await run('audit', 'verify', 'audit.jsonl', '--receipt', receipt)).toMatchObject({ code: 0 });
    const cut = altered('cut.jsonl', `${lines.slice(0, -1).join('\n')}\n`);
    expect(await run('audit', 'verify', cut)).toMatchObject({ code: 0 });
    const { code, stdout } = await run('audit', 'verify', cut, '--receipt', receipt, '--receipt', `5:${hashAt(5)}`);
    expect(stdout).toContain(`TAMPERED: record ${lines.length} is not the one of the receipt\n`);
    expect(stdout).toContain('record 5 is the one of the receipt\n');
    expect(code).toBe(3);
  });

  it('speaks JSON to scripts', async () => {
    const { code, stdout } = await run('audit', 'verify', 'audit.jsonl', '--json', '--receipt', `2:${hashAt(2)}`);
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'sound',
      first: 1,
      last: lines.length,
      fault: null,
      findings: [{ held: 'receipt', ok: true, text: 'record 2 is the one of the receipt' }],
    });
    expect(code).toBe(0);
  });

  it('refuses what it cannot use, in one line: no such file, a receipt that is none, a command that is none', async () => {
    const missing = await run('audit', 'verify', 'nowhere.jsonl');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/^incident-recorder: .*nowhere\.jsonl.*\n$/);
    expect(await run('audit', 'verify', 'audit.jsonl', '--receipt', 'x')).toMatchObject({ code: 2 });
    const unknown = await run('audti');
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.stderr).toContain('Did you mean audit?');
  });

  it('shows what a terminal would obey', async () => {
    const { stderr } = await run('audit', 'verify', '\u001b[31mred\u202e.jsonl');
    expect(stderr).toContain('\\u001b[31mred\\u202e.jsonl');
    // oxlint-disable-next-line no-control-regex
    expect(stderr.trimEnd()).not.toMatch(/[\u0000-\u001f\u202e]/);
  });

  it('helps on every level, with an example', async () => {
    for (const args of [['--help'], ['audit', '--help'], ['audit', 'verify', '--help']])
      expect(await run(...args)).toMatchObject({ code: 0 });
    expect((await run('audit', 'verify', '--help')).stdout).toContain('Example:');
  });
});
