// Each attack on a real log over several files, and what exactly catches it: a chain over re-serialised JSON, our verifier by itself, and
// our verifier with a checkpoint that was held elsewhere. A verifier that shares no code with ours must agree every time.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkpointText } from '../../src/audit/checkpoint.ts';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { signNote } from '../../src/audit/note.ts';
import { filesOf } from '../../src/audit/segments.ts';
import { verify } from '../../src/cli/verify.ts';
import { checkpointOver, sizeOf } from '../support/checkpoints.ts';
import { SERVICE_TOKEN, aReport, openTestHouse } from '../support/house.ts';
import { rootOf } from '../support/tree.ts';
import { faultByCheckpoint, verifyLog as verifyIndependently } from '../support/verify-log.mjs';

const ORIGIN = 'test/incident-recorder';
const PEM = newKeyPem();
/** The recorder's own, with which the tests sign what it would have signed. */
const KEY = readKey(ORIGIN, PEM);
const key = KEY.verifierKey;
const NEWEST = 'audit.jsonl';
const ZEROS = '0'.repeat(64);
const dir = mkdtempSync(join(tmpdir(), 'attacks-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A log by its files, oldest first, each with its lines. */
type Files = readonly { readonly name: string; readonly lines: readonly string[]; readonly end?: string }[];

let sound: Files;
/** An older copy of it, as a backup has it. */
let older: Files;
/** What an auditor fetched at some time, and kept. */
let held: string;
let covered: number;

beforeAll(async () => {
  const pem = join(dir, 'checkpoint.key');
  writeFileSync(pem, PEM, { mode: 0o600 });
  await using house = await openTestHouse({ env: { AUDIT_ROTATE_BYTES: '100000', CHECKPOINT_KEY_PATH: pem } });
  const report = (i: number) =>
    JSON.stringify(
      aReport({
        class: 'tool_call_burst',
        description: `é "quoted" ,"hash":"${ZEROS}"}`,
        evidence: { i, score: 1, list: [1, null, true] },
      }),
    );
  const send = async (count: number) => {
    const batch = house.http.post('/api/v1/incidents/reports').set('authorization', `Bearer ${SERVICE_TOKEN}`).type('application/x-ndjson');
    const { text } = await batch.send(Array.from({ length: count }, (_, i) => `${report(i)}\n`).join('')).buffer();
    return JSON.parse(text.trimEnd().split('\n').at(-1) ?? '').audit.seq as number;
  };
  const copy = (): Files =>
    filesOf(join(house.dir, NEWEST)).map((file) => ({ name: basename(file), lines: readFileSync(file, 'utf8').split('\n').slice(0, -1) }));
  for (let last = 0; last < 850;) {
    last = await send(120);
    await checkpointOver(house, last);
    if (last < 700) older = copy();
  }
  held = await checkpointOver(house, 850);
  covered = sizeOf(held);
  for (let last = covered; last < 1000;) last = await send(40);
  sound = copy();
}, 60_000);

const all = (files: Files) => files.flatMap(({ lines }) => lines);
const hashIn = (line = '') => line.slice(-66, -2);

/** The same files with other lines in them, as far as they go; what is over stands in the newest. */
function spread(lines: readonly string[], into: Files = sound): Files {
  let at = 0;
  return into.map(({ name, lines: { length } }, i) => {
    const from = at;
    at = i === into.length - 1 ? lines.length : Math.min(lines.length, at + length);
    return { name, lines: lines.slice(from, at) };
  });
}

/** Line `seq` replaced. The others stay in their files. */
function edit(seq: number, change: (line: string) => string): Files {
  return spread(all(sound).map((line, i) => (i === seq - 1 ? change(line) : line)));
}

/** Seals lines of a log anew from one on, as whoever knows the format would. */
function resealed(lines: readonly string[], from: number, prev = hashIn(lines[from - 2])): string[] {
  let before = prev;
  return lines.map((line, i) => {
    if (i < from - 1) return line;
    const body = line
      .slice(0, -75)
      .replace(/^(\{"v":1,"seq":)\d+/, `$1${i + 1}`)
      .replace(/"prev":"[0-9a-f]{64}"$/, `"prev":"${before}"`);
    before = createHash('sha256').update(`\0${body}`).digest('hex');
    return `${body},"hash":"${before}"}`;
  });
}

/** A report of somebody's that says something else. */
const rewritten = (line: string) => line.replace('quoted', 'QUOTED');

/** Roots of the largest subtrees over leaves 1 to `to`. */
function frontierOf(leaves: readonly string[], to: number): string[] {
  const hashes: string[] = [];
  for (let at = 0; at < to;) {
    const size = 2 ** Math.floor(Math.log2(to - at));
    hashes.push(rootOf(leaves.slice(at, at + size)));
    at += size;
  }
  return hashes;
}

/** A record that says that records 1 to `to` were pruned, sealed behind a line. */
function claim(lines: readonly string[], to: number, hashes: readonly string[], behind: string): string {
  const [seq, ts] = [Number(/"seq":(\d+)/.exec(behind)?.[1]) + 1, /"ts":"([^"]+)"/.exec(behind)?.[1]];
  const data = { from: 1, to, root: rootOf(lines.slice(0, to).map(hashIn)), hashes, public_key: key, policy_sha256: ZEROS };
  const body = `{"v":1,"seq":${seq},"ts":"${ts}","type":"log.pruned","id":null,"actor":"operator:cli","data":${JSON.stringify(data)},"prev":"${hashIn(behind)}"`;
  return `${body},"hash":"${createHash('sha256').update(`\0${body}`).digest('hex')}"}`;
}

/** A checkpoint over these lines by a key. */
function signed(lines: readonly string[], by: Parameters<typeof signNote>[1], size = lines.length, origin = ORIGIN): string {
  return signNote(checkpointText({ origin, size, root: rootOf(lines.slice(0, size).map(hashIn)) }), by);
}

/** (a) What many would write: parse, take the hash out, serialise again, compare; each record bound to the one before. */
function naively(lines: readonly string[]): 'sound' | 'caught' {
  let before: unknown = null;
  for (const line of lines) {
    const { hash, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (before !== null && rest['prev'] !== before) return 'caught';
    if (
      createHash('sha256')
        .update(`\0${JSON.stringify(rest).slice(0, -1)}`)
        .digest('hex') !== hash
    )
      return 'caught';
    before = hash;
  }
  return 'sound';
}

interface Told {
  readonly verdict: 'sound' | 'tampered' | 'torn';
  readonly fault: { seq: number; file: string; reason: string } | null;
  readonly findings: readonly { ok: boolean; text: string }[];
}

/** The command itself. @returns its verdict, and everything that it holds against the log in one text */
async function command(
  log: string,
  options: { checkpoint?: string; pubkey?: string } = {},
): Promise<{ verdict: Told['verdict']; why: string }> {
  let printed = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((printed += String(text))));
  try {
    const lists = {
      checkpoint: options.checkpoint === undefined ? [] : [options.checkpoint],
      pubkey: options.pubkey === undefined ? [] : [options.pubkey],
    };
    const code = await verify([log], { receipt: [], ...lists, json: true });
    const { verdict, fault, findings } = JSON.parse(printed) as Told;
    expect(code).toBe({ sound: 0, tampered: 3, torn: 4 }[verdict]);
    const reasons = [
      ...(fault ? [`record ${fault.seq} ${fault.reason}`] : []),
      ...findings.filter(({ ok }) => !ok).map(({ text }) => text),
    ];
    return { verdict, why: reasons.join('; ') };
  } finally {
    spy.mockRestore();
  }
}

/** What came of an attack by each verifier; the independent one is asked whatever ours is. */
async function judge({ files, checkpoint = held, beside }: { files: Files; checkpoint?: string; beside?: string }) {
  const folder = mkdtempSync(join(dir, 'log-'));
  mkdirSync(join(folder, 'held'));
  for (const { name, lines, end = '\n' } of files) writeFileSync(join(folder, name), lines.length === 0 ? '' : `${lines.join('\n')}${end}`);
  const log = join(folder, NEWEST);
  const note = join(folder, 'held', 'checkpoint');
  writeFileSync(note, checkpoint);
  if (beside !== undefined) writeFileSync(`${log}.checkpoint`, beside);
  const found = verifyIndependently(filesOf(log));
  const outcome = (fault: string | null) => (fault !== null ? 'tampered' : found.torn ? 'torn' : 'sound');
  const lines = files.flatMap((file) => (file.end === undefined ? file.lines : file.lines.slice(0, -1)));
  return {
    naive: naively(lines),
    alone: await command(log),
    held: await command(log, { checkpoint: note, pubkey: key }),
    independent: { alone: outcome(found.fault), held: outcome(found.fault ?? faultByCheckpoint(found, checkpoint, key)) },
  };
}

type Attack = () => Parameters<typeof judge>[0];
/** What each says: `sound` is a miss, `torn` what a crash leaves too, else the reason by which it is caught. */
type Row = [name: string, attack: Attack, naive: 'sound' | 'caught', alone: 'sound' | 'torn' | RegExp, held: 'sound' | 'torn' | RegExp];

const ATTACKS: Row[] = [
  // What any chain sees.
  [
    'a record deleted',
    () => ({ files: spread(all(sound).toSpliced(499, 1)) }),
    'caught',
    /record 500 is record 501, not 500/,
    /record 500/,
  ],
  [
    'a record duplicated',
    () => ({ files: spread(all(sound).toSpliced(499, 0, all(sound)[498] ?? '')) }),
    'caught',
    /record 500 is record 499/,
    /record 500/,
  ],
  [
    'two records swapped',
    () => ({ files: spread(all(sound).toSpliced(499, 2, all(sound)[500] ?? '', all(sound)[499] ?? '')) }),
    'caught',
    /record 500 is record 501/,
    /record 500/,
  ],
  ['a letter changed', () => ({ files: edit(500, rewritten) }), 'caught', /record 500 its hash does not fit its bytes/, /record 500/],
  [
    'a bit of a hash flipped',
    () => ({ files: edit(500, (line) => `${line.slice(0, -3)}${line.at(-3) === '0' ? '1' : '0'}"}`) }),
    'caught',
    /record 500 its hash does not fit/,
    /record 500/,
  ],
  [
    'a record sealed anew by itself',
    () => ({ files: edit(500, (line) => resealed([...all(sound).slice(0, 499), rewritten(line)], 500).at(-1) ?? '') }),
    'caught',
    /record 501 prev is not the hash/,
    /record 501/,
  ],

  // What a chain over parsed JSON does not: bytes that mean the same, and where a log has to begin.
  [
    'a key written twice',
    () => ({ files: edit(500, (line) => line.replace('"score":1', '"score":1,"score":1')) }),
    'sound',
    /record 500 its hash/,
    /record 500/,
  ],
  [
    'another value under a key written twice',
    () => ({ files: edit(500, (line) => line.replace('"score":1', '"score":9,"score":1')) }),
    'sound',
    /record 500 its hash/,
    /record 500/,
  ],
  [
    '1 written as 1.0',
    () => ({ files: edit(500, (line) => line.replace('"score":1', '"score":1.0')) }),
    'sound',
    /record 500 its hash/,
    /record 500/,
  ],
  [
    'é written as an escape',
    () => ({ files: edit(500, (line) => line.replace('é', '\\u00e9')) }),
    'sound',
    /record 500 its hash/,
    /record 500/,
  ],
  [
    'white space added',
    () => ({ files: edit(500, (line) => line.replace('"data":{', '"data": {')) }),
    'sound',
    /record 500 its hash/,
    /record 500/,
  ],
  [
    'white space in the head',
    () => ({ files: edit(500, (line) => line.replace('{"v":1', '{ "v":1')) }),
    'sound',
    /record 500 does not begin as a record does/,
    /record 500/,
  ],
  [
    'a carriage return added',
    () => ({ files: edit(500, (line) => `${line}\r`) }),
    'sound',
    /record 500 does not end as a record does/,
    /record 500/,
  ],
  [
    'the head dropped',
    () => ({ files: spread(all(sound).slice(10)) }),
    'sound',
    /begins with record 11; what came before it is missing/,
    /begins with record 11/,
  ],
  [
    'the genesis swapped, and all sealed upon it',
    () => ({ files: spread(resealed(all(sound), 1, 'a'.repeat(64))) }),
    'sound',
    /record 1 prev is not the hash/,
    /record 1/,
  ],

  // What only something held elsewhere shows.
  [
    'the tail cut off below the checkpoint, at the end of a record',
    () => ({ files: spread(all(sound).slice(0, covered - 1)) }),
    'sound',
    'sound',
    /the log ends with record \d+; the checkpoint covers \d+/,
  ],
  ['the tail cut off below the checkpoint, within a record', () => ({ files: torn(covered) }), 'sound', 'torn', /the log ends with record/],
  [
    'the newest files removed',
    () => ({ files: sound.filter(({ lines }) => Number(/"seq":(\d+)/.exec(lines[0] ?? '')?.[1]) < 600) }),
    'sound',
    'sound',
    /the log ends with record/,
  ],
  ['all removed but an empty file', () => ({ files: [{ name: NEWEST, lines: [] }] }), 'sound', 'sound', /the log ends with record 0/],
  ['rolled back to an older copy', () => ({ files: older }), 'sound', 'sound', /the log ends with record/],
  [
    'rolled back to an older copy, with the checkpoint of then beside it',
    () => ({ files: older, beside: signed(all(older), KEY) }),
    'sound',
    'sound',
    /the log ends with record/,
  ],
  [
    'all written anew, under the same key',
    () => ({ files: spread(resealed(all(sound).map(rewritten), 1, ZEROS)) }),
    'sound',
    'sound',
    /the first \d+ records are not the ones that it covers/,
  ],
  [
    'all written anew, under another key, with a checkpoint of that beside it',
    () => anew(false),
    'sound',
    'sound',
    /record 1 puts the log under the key .* which is not the one given; .*are not the ones that it covers; .*is not signed by the key given/,
  ],
  [
    'all written anew, under another key, with a checkpoint of that in the place of the one that was held',
    () => anew(true),
    'sound',
    'sound',
    /record 1 puts the log under the key .* which is not the one given; .*is not signed by the key given/,
  ],
  [
    'a fork: all from record 500 on sealed anew',
    () => ({ files: spread(resealed(all(sound).with(499, rewritten(all(sound)[499] ?? '')), 500)) }),
    'sound',
    'sound',
    /are not the ones that it covers/,
  ],
  [
    'a fork in the last record that is covered',
    () => ({
      files: spread(resealed(all(sound).with(covered - 1, all(sound)[covered - 1]?.replace('"actor":"', '"actor":"x') ?? ''), covered)),
    }),
    'sound',
    'sound',
    /are not the ones that it covers/,
  ],
  [
    'a record deleted, and all behind it sealed anew',
    () => ({ files: spread(resealed(all(sound).toSpliced(499, 1), 500)) }),
    'sound',
    'sound',
    /are not the ones that it covers/,
  ],

  // Files as a whole.
  [
    'a file removed from the middle',
    () => ({ files: sound.toSpliced(1, 1) }),
    'caught',
    /record \d+ is record \d+, not/,
    /record \d+ is record/,
  ],
  [
    'the oldest file removed',
    () => ({ files: sound.slice(1) }),
    'sound',
    /what came before it is missing/,
    /what came before it is missing/,
  ],
  ['two files under each other’s names', swapped, 'caught', /is record 1, not \d+; the log begins with record \d+/, /is record 1, not \d+/],
  [
    'a file copied behind itself',
    () => ({
      files: sound.toSpliced(1, 0, { name: sound[1]?.name.replace(/\d{12}/, '000000000002') ?? '', lines: sound[0]?.lines ?? [] }),
    }),
    'caught',
    /record \d+ is record 1, not \d+/,
    /is record 1, not/,
  ],

  // Checkpoints that nobody of ours has signed, over a log that is sound.
  [
    'a checkpoint by another key of the same name',
    () => ({ files: sound, checkpoint: signed(all(sound), readKey(ORIGIN, newKeyPem())) }),
    'sound',
    'sound',
    /is not signed by the key given/,
  ],
  [
    'a checkpoint that claims the key, with another’s signature',
    () => ({ files: sound, checkpoint: signed(all(sound), { ...readKey(ORIGIN, newKeyPem()), id: key.split('+')[1] ?? '' }) }),
    'sound',
    'sound',
    /is not signed by the key given/,
  ],
  [
    'a checkpoint of which the size was raised',
    () => ({ files: sound, checkpoint: held.replace(/\n\d+\n/, `\n${covered + 1}\n`) }),
    'sound',
    'sound',
    /is not signed by the key given/,
  ],
  [
    'a checkpoint of which the root was changed',
    () => ({
      files: sound,
      checkpoint: held.replace(/\n[^\n]{44}\n/, `\n${Buffer.from(rootOf(all(sound).slice(0, 9).map(hashIn)), 'hex').toString('base64')}\n`),
    }),
    'sound',
    'sound',
    /is not signed by the key given/,
  ],
  [
    'a checkpoint of another log by its own key',
    () => ({ files: sound, checkpoint: signed(all(sound), readKey('other/log', newKeyPem()), 9, 'other/log') }),
    'sound',
    'sound',
    /is not signed by the key given/,
  ],

  // A head that is gone, and a record that says that it was pruned.
  [
    'the head dropped, with the pruning written over a record that is covered',
    () => ({ files: pruned(600, true) }),
    'sound',
    'sound',
    /are not the ones that it covers/,
  ],
  [
    'the head dropped, with the pruning written at the end, and the true tree of what is gone',
    () => ({ files: pruned(null, true) }),
    'sound',
    'sound',
    /record \d+ says that they were pruned, and no good checkpoint covers it/,
  ],
  [
    'the head dropped, with the pruning written at the end, and another tree',
    () => ({ files: pruned(null, false) }),
    'sound',
    'sound',
    /are not the ones that it covers/,
  ],
];

/** What nothing that is held over an older log can show: the answer is a newer checkpoint. */
const MISSED: Row[] = [
  ['the tail cut off at the size of the checkpoint', () => ({ files: spread(all(sound).slice(0, covered)) }), 'sound', 'sound', 'sound'],
  ['the tail cut off behind the checkpoint', () => ({ files: spread(all(sound).slice(0, covered + 1)) }), 'sound', 'sound', 'sound'],
  ['the tail cut off behind the checkpoint, within a record', () => ({ files: torn(covered + 2) }), 'sound', 'torn', 'torn'],
  [
    'a fork behind the checkpoint',
    () => ({
      files: spread(
        resealed(
          all(sound).map((line, i) => (i < covered ? line : line.replace('"actor":"', '"actor":"x'))),
          covered + 1,
        ),
      ),
    }),
    'sound',
    'sound',
    'sound',
  ],
];

/** Cut off within record `seq`. */
function torn(seq: number): Files {
  const files = spread(all(sound).slice(0, seq)).filter(({ lines }) => lines.length > 0);
  return files.map((file, i) =>
    i < files.length - 1 ? file : { ...file, lines: [...file.lines.slice(0, -1), file.lines.at(-1)?.slice(0, 60) ?? ''], end: '' },
  );
}

/** The log of somebody who has made a key of his own, as a recorder of his would have written it. */
function anew(instead: boolean): ReturnType<Attack> {
  const own = readKey(ORIGIN, newKeyPem());
  const lines = resealed(
    all(sound).map((line) => rewritten(line).replaceAll(key, own.verifierKey)),
    1,
    ZEROS,
  );
  const note = signed(lines, own);
  return { files: spread(lines), beside: note, ...(instead && { checkpoint: note }) };
}

function swapped(): ReturnType<Attack> {
  const [one, two, ...rest] = sound;
  if (!one || !two) throw new Error('there are not enough files');
  return { files: [{ ...one, lines: two.lines }, { ...two, lines: one.lines }, ...rest] };
}

/** Without its first 20 records; `log.pruned` stands in the place of a record, all behind it sealed anew, or at the end. */
function pruned(at: number | null, isTrue: boolean): Files {
  const lines = all(sound);
  const to = 20;
  const leaves = (isTrue ? lines : lines.toReversed()).map(hashIn);
  const hashes = frontierOf(leaves, to);
  const claimed = claim(lines, to, hashes, lines[(at ?? lines.length + 1) - 2] ?? '');
  const left = (at === null ? [...lines, claimed] : resealed(lines.with(at - 1, claimed), at)).slice(to);
  return spread(left);
}

describe('the log that is attacked', () => {
  it('is a real one: over a thousand records in several files, with a checkpoint that covers most of it', () => {
    expect(all(sound).length).toBeGreaterThanOrEqual(1000);
    expect(sound.length).toBeGreaterThan(3);
    expect(covered).toBeGreaterThanOrEqual(850);
    expect(covered).toBeLessThan(all(sound).length - 3);
    expect(all(older).length).toBeLessThan(covered);
    expect(older.at(-1)?.name).toBe(NEWEST);
  });

  it('is sound to every verifier before it is, by itself and with what is held', async () => {
    expect(await judge({ files: sound })).toEqual({
      naive: 'sound',
      alone: { verdict: 'sound', why: '' },
      held: { verdict: 'sound', why: '' },
      independent: { alone: 'sound', held: 'sound' },
    });
    expect(await judge({ files: sound, beside: held })).toMatchObject({ held: { verdict: 'sound' } });
  });
});

function matches({ verdict, why }: { verdict: string; why: string }, expected: Row[3]): void {
  if (typeof expected === 'string') expect({ verdict, why }).toEqual({ verdict: expected, why: '' });
  else {
    expect(verdict).toBe('tampered');
    expect(why).toMatch(expected);
  }
}

async function holds(attack: Attack, naive: Row[2], alone: Row[3], withHeld: Row[4]): Promise<void> {
  const found = await judge(attack());
  expect(found.naive).toBe(naive);
  matches(found.alone, alone);
  matches(found.held, withHeld);
  expect(found.independent).toEqual({ alone: found.alone.verdict, held: found.held.verdict });
}

describe('is caught:', () => {
  it.each(ATTACKS)('%s', async (_, attack, naive, alone, withHeld) => holds(attack, naive, alone, withHeld));
});

describe('is not caught by an older checkpoint:', () => {
  it.each(MISSED)('%s', async (_, attack, naive, alone, withHeld) => holds(attack, naive, alone, withHeld));

  it.each(MISSED)('%s; but by one that covers it', async (_, attack) => {
    const { files } = attack();
    const folder = mkdtempSync(join(dir, 'newer-'));
    for (const { name, lines, end = '\n' } of files) writeFileSync(join(folder, name), `${lines.join('\n')}${end}`);
    writeFileSync(join(folder, 'newer'), signed(all(sound), KEY));
    const { verdict, why } = await command(join(folder, NEWEST), { checkpoint: join(folder, 'newer'), pubkey: key });
    expect(verdict).toBe('tampered');
    expect(why).toMatch(/the log ends with record|are not the ones that it covers/);
  });
});
