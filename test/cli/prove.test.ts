// `audit prove`, `audit consistency` and `audit export` as an operator calls them: out of the files of a log, and of nothing else.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extendsTree, includes } from '../../src/audit/merkle.ts';
import { filesOf } from '../../src/audit/segments.ts';
import { pruneChange } from '../../src/recorder/prune.ts';
import { COMMAND, type Ran, runCommand } from '../support/command.ts';
import { checkpointOver, sizeOf } from '../support/checkpoints.ts';
import { type AuditRecord, SERVICE_TOKEN, aReport, openTestHouse } from '../support/house.ts';
import { pathOf, proofOf, rootOf } from '../support/tree.ts';
import { OPERATOR, openWritePath } from '../support/write-path.ts';

const API = '/api/v1/incidents';
const dir = mkdtempSync(join(tmpdir(), 'prove-'));
const log = join(dir, 'log', 'audit.jsonl');
let lines: string[];
let records: AuditRecord[];
let leaves: string[];
let published: string;
/** An incident that was resolved, of which another shared the hold. */
let incident: string;
let timeline: string;

beforeAll(async () => {
  await using house = await openTestHouse({ env: { AUDIT_ROTATE_BYTES: '100000' } });
  const { body: made } = await house.post(`${API}/report`, aReport()).expect(201);
  incident = made.id;
  await house.post(`${API}/report`, aReport({ description: 'another that shares the hold' })).expect(201);
  await house.post(`${API}/resolve`, { id: incident }).expect(200);
  const line = JSON.stringify(aReport({ class: 'tool_call_burst', evidence: { text: 'é'.repeat(800) } }));
  for (let file = 1; file < 3;) {
    const batch = house.http.post(`${API}/reports`).set('authorization', `Bearer ${SERVICE_TOKEN}`).type('application/x-ndjson');
    const { text } = await batch.send(`${line}\n`.repeat(30)).buffer();
    const last = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');
    await checkpointOver(house, last.audit.seq);
    file = filesOf(join(house.dir, 'audit.jsonl')).length;
  }
  await house.post(`${API}/report`, aReport({ class: 'tool_call_burst' })).expect(201);
  timeline = JSON.stringify((await house.get(`${API}/${incident}/timeline`)).body);
  published = readFileSync(join(house.dir, 'audit.jsonl.checkpoint'), 'utf8');
  mkdirSync(join(dir, 'log'));
  for (const name of readdirSync(house.dir).filter((each) => each.startsWith('audit')))
    cpSync(join(house.dir, name), join(dir, 'log', name));
  writeFileSync(`${log}.checkpoint`, published);
  lines = filesOf(log).flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1));
  records = lines.map((each) => JSON.parse(each) as AuditRecord);
  leaves = records.map(({ hash }) => hash);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const run = async (...args: string[]): Promise<Ran> => runCommand(dir, args);
const prove = async (...args: string[]) => run('audit', 'prove', ...args);
const consistency = async (...args: string[]) => run('audit', 'consistency', ...args);
const exported = async (...args: string[]) => run('audit', 'export', ...args);

function written(name: string, of: readonly string[], end = '\n'): string {
  writeFileSync(join(dir, name), `${of.join('\n')}${end}`);
  return name;
}

/** A log of one file with a record changed and nothing else. */
const tampered = () => written('tampered.jsonl', lines.with(20, (lines[20] ?? '').replace('tool_call_burst', 'tool_call_bursts')));

describe('audit prove', () => {
  it('gives the proof of the book, in the tree of the published checkpoint, over all files of the log', async () => {
    expect(filesOf(log).length).toBeGreaterThan(2);
    const size = sizeOf(published);
    for (const seq of [1, 2, 57, size - 1, size]) {
      const { code, stdout, stderr } = await prove(log, '--seq', String(seq), '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const tree = leaves.slice(0, size);
      const root = rootOf(tree);
      const proven = JSON.parse(stdout);
      expect(proven).toEqual({ seq, size, leaf: leaves[seq - 1], root, proof: pathOf(seq - 1, tree) });
      expect(Buffer.from(root, 'hex').toString('base64')).toBe(published.split('\n')[2]);
      expect(includes(proven.leaf, seq - 1, proven, proven.proof)).toBe(true);
      expect(includes(String(leaves[seq]), seq - 1, proven, proven.proof)).toBe(false);
    }
  });

  it('gives it in any other tree, and in that of the whole log where no checkpoint covers the record', async () => {
    for (const size of [3, 4, 64, 65, leaves.length]) {
      const { stdout } = await prove(log, '--seq', '3', '--size', String(size), '--json');
      expect(JSON.parse(stdout)).toMatchObject({ size, root: rootOf(leaves.slice(0, size)), proof: pathOf(2, leaves.slice(0, size)) });
    }
    const alone = JSON.parse((await prove(written('alone.jsonl', lines), '--seq', '3', '--json')).stdout);
    expect(alone).toMatchObject({ size: leaves.length, root: rootOf(leaves) });
    expect(JSON.parse((await prove(log, '--seq', String(leaves.length), '--json')).stdout)).toMatchObject({ size: leaves.length });
  });

  it('speaks in lines of a name and a value without --json', async () => {
    const { stdout } = await prove(log, '--seq', '2', '--size', '4');
    const tree = leaves.slice(0, 4);
    const proof = pathOf(1, tree).map((hash) => `proof ${hash}\n`);
    expect(stdout).toBe(`seq 2\nsize 4\nleaf ${leaves[1]}\nroot ${rootOf(tree)}\n${proof.join('')}`);
  });

  it('reads what was compressed, and leaves a torn last line out', async () => {
    mkdirSync(join(dir, 'packed'), { recursive: true });
    for (const file of filesOf(log)) {
      const name = file.slice(file.lastIndexOf('/') + 1);
      if (file === log) writeFileSync(join(dir, 'packed', name), `${readFileSync(file, 'utf8')}{"v":1,"se`);
      else writeFileSync(join(dir, 'packed', `${name}.gz`), gzipSync(readFileSync(file)));
    }
    const { code, stdout } = await prove(join(dir, 'packed', 'audit.jsonl'), '--seq', '9', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ seq: 9, size: leaves.length, leaf: leaves[8], root: rootOf(leaves), proof: pathOf(8, leaves) });
  });

  it('proves nothing from a log that is not sound, and ends with 3', async () => {
    const { code, stdout } = await prove(tampered(), '--seq', '3', '--size', '4');
    expect(stdout).toMatch(/^TAMPERED: record 21, at byte \d+ of tampered\.jsonl, its hash does not fit its bytes\n$/);
    expect(code).toBe(3);
    expect(JSON.parse((await prove('tampered.jsonl', '--seq', '3', '--json')).stdout)).toMatchObject({ verdict: 'tampered' });
    const headless = await prove(written('headless.jsonl', lines.slice(3)), '--seq', '9');
    expect(headless.stdout).toMatch(/^TAMPERED: the log begins with record 4; what came before it is missing/);
    expect(headless.code).toBe(3);
  });

  it('proves nothing where the checkpoint beside the log is of another one', async () => {
    const file = written('other.jsonl', lines);
    writeFileSync(join(dir, `${file}.checkpoint`), published.replace(/\n[^\n]{44}\n/, `\n${Buffer.alloc(32).toString('base64')}\n`));
    expect(await prove(file, '--seq', '3')).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('the checkpoint beside the log is not one of'),
    });
    expect(await prove(file, '--seq', '3', '--size', '9')).toMatchObject({ code: 0 });
    // What is no checkpoint at all is passed over.
    writeFileSync(join(dir, `${file}.checkpoint`), 'x');
    expect(JSON.parse((await prove(file, '--seq', '3', '--json')).stdout)).toMatchObject({ size: leaves.length });
  });

  it.each([
    [['--seq', '0'], 'must be a whole number from 1 on'],
    [['--seq', 'x'], 'must be a whole number from 1 on'],
    [['--seq', '1000000'], 'does not hold it'],
    [['--seq', '5', '--size', '4'], 'a tree over 4 records does not hold it'],
    [['--seq', '5', '--size', '1000000'], 'the log ends with record'],
    [[], "required option '--seq <n>' not specified"],
  ])('refuses %j with 2', async (args, words) => {
    const { code, stdout, stderr } = await prove(log, ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });
});

describe('audit consistency', () => {
  it('gives the proof of the book, and it holds', async () => {
    for (const [from, to] of [
      [1, 1],
      [1, 64],
      [63, 64],
      [40, leaves.length],
      [leaves.length, leaves.length],
    ] as const) {
      const { code, stdout } = await consistency(log, '--from', String(from), '--to', String(to), '--json');
      const [older, newer] = [
        { size: from, root: rootOf(leaves.slice(0, from)) },
        { size: to, root: rootOf(leaves.slice(0, to)) },
      ];
      const proof = proofOf(from, leaves.slice(0, to));
      expect(JSON.parse(stdout)).toEqual({ from, from_root: older.root, to, to_root: newer.root, proof });
      expect(code).toBe(0);
      expect(extendsTree(older, newer, JSON.parse(stdout).proof)).toBe(true);
      expect(extendsTree({ ...older, root: rootOf([]) }, newer, JSON.parse(stdout).proof)).toBe(false);
    }
  });

  it('proves nothing from a log that is not sound, and refuses what cannot be', async () => {
    expect(await consistency(tampered(), '--from', '3', '--to', '9')).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^TAMPERED/),
    });
    expect(await consistency(log, '--from', '9', '--to', '3')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is more than --to 3'),
    });
    expect(await consistency(log, '--from', '1', '--to', '1000000')).toMatchObject({ code: 2 });
    expect(await consistency(log, '--from', '1')).toMatchObject({ code: 2 });
  });
});

describe('a log of which the oldest records were pruned', () => {
  /** Its lines before and after, and how many were pruned. */
  async function pruned(): Promise<{ all: string[]; left: string; to: number }> {
    using path = openWritePath();
    for (let i = 0; i < 40; i += 1) await path.report({ class: 'tool_call_burst' });
    const before = path.store.records.after(0, 1e6, 1e9).map(({ line }) => line);
    const to = 37;
    path.store.meta.setSynced({ seq: before.length, offset: 1, first: 1 });
    await path.queue.submit(pruneChange({ to, by: OPERATOR }));
    for (let i = 0; i < 9; i += 1) await path.report({ class: 'tool_call_burst' });
    const kept = path.store.records.after(0, 1e6, 1e9).map(({ line }) => line);
    return { all: [...before.slice(0, to), ...kept], left: written('pruned.jsonl', kept), to };
  }

  it('goes on proving what is left, with the tree that it tells of what is gone', async () => {
    const { all, left, to } = await pruned();
    const tree = all.map((line) => line.slice(-66, -2));
    for (const seq of [to + 1, to + 5, tree.length]) {
      const { code, stdout } = await prove(left, '--seq', String(seq), '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ seq, size: tree.length, root: rootOf(tree), proof: pathOf(seq - 1, tree) });
    }
    for (const from of [to, to + 1, 64]) {
      const { code, stdout } = await consistency(left, '--from', String(from), '--to', String(tree.length), '--json');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        from_root: rootOf(tree.slice(0, from)),
        to_root: rootOf(tree),
        proof: proofOf(from, tree),
      });
    }
  });

  it('refuses what would need more than is left, and is not sound without the record that tells of it', async () => {
    const { all, left, to } = await pruned();
    expect(await prove(left, '--seq', '5')).toMatchObject({ code: 2, stderr: expect.stringContaining(`begins with record ${to + 1}`) });
    const { code, stderr } = await consistency(left, '--from', '5', '--to', '50');
    expect(code).toBe(2);
    expect(stderr).toContain(`records 1 to ${to} were pruned, and what is left of their tree is not enough for this proof`);
    const told = all.findIndex((line) => line.includes('"type":"log.pruned"'));
    expect(await prove(written('untold.jsonl', all.slice(to, told)), '--seq', '40')).toMatchObject({ code: 3 });
  });
});

describe('audit export', () => {
  const seqs = ({ stdout }: Ran) =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as AuditRecord).seq);
  const of = (holds: (record: AuditRecord) => boolean) => records.filter(holds).map(({ seq }) => seq);

  it('writes every line as it is, over all files, and says on stderr how many', async () => {
    expect(await exported(log)).toEqual({
      code: 0,
      stdout: lines.map((line) => `${line}\n`).join(''),
      stderr: `${lines.length} of the records 1 to ${lines.length} were written\n`,
    });
    expect((await exported(join(dir, 'packed', 'audit.jsonl'))).stdout).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  it('chooses by seq, instant and type, all of them together', async () => {
    expect(seqs(await exported(log, '--from', '5', '--to', '9'))).toEqual([5, 6, 7, 8, 9]);
    expect(seqs(await exported(log, '--from', String(lines.length)))).toEqual([lines.length]);
    expect(await exported(log, '--from', '1000000')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^0 of the records/),
    });
    const [middle = ''] = records.slice(30, 31).map(({ ts }) => ts);
    expect(seqs(await exported(log, '--since', middle))).toEqual(of(({ ts }) => ts >= middle));
    expect(seqs(await exported(log, '--until', middle))).toEqual(of(({ ts }) => ts < middle));
    expect(seqs(await exported(log, '--since', '2000-01-01', '--until', '2000-01-02'))).toEqual([]);
    const types = new Set(['hold.recorded', 'log.rotated']);
    expect(seqs(await exported(log, '--type', 'hold.recorded', '--type', 'log.rotated'))).toEqual(of(({ type }) => types.has(type)));
    expect(seqs(await exported(log, '--type', 'hold.recorded', '--from', '9'))).toEqual(
      of(({ type, seq }) => type === 'hold.recorded' && seq >= 9),
    );
  });

  it('chooses what is about an incident and its holds, as its timeline does', async () => {
    const { stdout } = await exported(log, '--incident', incident);
    expect(JSON.parse(`[${stdout.trimEnd().replaceAll('\n', ',')}]`)).toEqual(JSON.parse(timeline));
    const other = records.find(({ id, type }) => type === 'incident.reported' && id !== incident)?.id ?? '';
    expect(seqs(await exported(log, '--incident', other))).toEqual(of(({ id }) => id === other));
  });

  it('stops before what is not sound, says so, and ends with 3', async () => {
    const { code, stdout, stderr } = await exported(tampered());
    expect(stdout).toBe(
      lines
        .slice(0, 20)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(stderr).toMatch(
      /^TAMPERED: record 21, at byte \d+ of tampered\.jsonl, its hash does not fit its bytes; nothing behind it was written\n20 of the records 1 to 20 were written\n$/,
    );
    expect(code).toBe(3);
  });

  it.each([
    [['--from', 'x'], 'must be a whole number'],
    [['--since', 'yesterday'], 'must be an ISO 8601 date or instant'],
    [['--until', '2026-02-30'], 'must be an ISO 8601 date or instant'],
    [['--incident', 'x'], 'is no id of an incident'],
  ])('refuses %j with 2', async (args, words) => {
    expect(await exported(log, ...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  });

  it('is quiet when its reader has enough', async () => {
    const child = spawn('sh', ['-c', `{ "$0" "$1" audit export "$2"; echo "code $?" >&2; } | head -n 1`, process.execPath, COMMAND, log], {
      cwd: dir,
    });
    let [out, told] = ['', ''];
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (told += piece.toString()));
    await once(child, 'close');
    expect(out).toBe(`${lines[0]}\n`);
    expect(told).toBe('code 0\n');
  });

  it('fails where it cannot be written', async ({ skip }) => {
    if (!existsSync('/dev/full')) return skip('no /dev/full');
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      `"$0" "$1" audit export "$2" >/dev/full 2>&1; echo "code $?"`,
      process.execPath,
      COMMAND,
      log,
    ]);
    expect(stdout).toBe('code 1\n');
  });
});

describe('the help of each', () => {
  it.each(['prove', 'consistency', 'export'])('%s has an example and its exit codes', async (name) => {
    const { code, stdout } = await run('audit', name, '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('Example:');
    expect(stdout).toContain('Exit codes: 0');
  });
});
