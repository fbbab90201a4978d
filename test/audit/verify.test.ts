// Each attack on a log of 1,000 records, and what exactly catches it; an independent verifier must agree every time.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { blocksOf } from '../../src/audit/blocks.ts';
import { GENESIS, type Head, seal } from '../../src/audit/record.ts';
import { type Verdict, verifyLog } from '../../src/audit/verify.ts';
import { verifyLog as verifyIndependently } from '../support/verify-log.mjs';

const COUNT = 1000;
const dir = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A log of sealed lines whose evidence holds what a careless verifier stumbles over. */
function makeLog(count: number, flavour = ''): string[] {
  const lines: string[] = [];
  let head: Head = GENESIS;
  for (let i = 0; i < count; i += 1) {
    const data = { i, score: 1, text: `é "quoted" ,"hash":"${'0'.repeat(64)}"} ${flavour}`, nested: { list: [1, null, true] } };
    const sealed = seal(head, {
      ts: `2026-03-13T08:15:30.${String(i % 1000).padStart(3, '0')}Z`,
      type: 'incident.reported',
      id: null,
      actor: 'recorder',
      data,
    });
    lines.push(sealed.line);
    head = sealed;
  }
  return lines;
}

const SOUND = makeLog(COUNT);

/** One line replaced by what an attacker makes of it. */
const edit = (at: number, change: (line: string) => string) => SOUND.map((line, i) => (i === at ? change(line) : line));

interface Attack {
  lines: string[];
  /** Seq of the fault that the chain alone finds; null = the chain finds nothing. */
  chain: number | null;
  soundAfter?: number;
}

/** As an attacker would who knows the format: seals everything from a line on again. */
function resealed(lines: string[], from: number, change: (body: string) => string): string[] {
  let prev = from === 0 ? GENESIS.hash : (lines[from - 1] ?? '').slice(-66, -2);
  return lines.map((line, i) => {
    if (i < from) return line;
    const body = (i === from ? change(line.slice(0, -75)) : line.slice(0, -75)).replace(/,"prev":"[0-9a-f]{64}"$/, `,"prev":"${prev}"`);
    prev = createHash('sha256').update(`\0${body}`).digest('hex');
    return `${body},"hash":"${prev}"}`;
  });
}

const ATTACKS: Record<string, Attack> = {
  'a record deleted': { lines: SOUND.toSpliced(499, 1), chain: 500, soundAfter: 500 },
  'a record duplicated': { lines: SOUND.toSpliced(499, 0, SOUND[498] ?? ''), chain: 500, soundAfter: 502 },
  'two records swapped': { lines: SOUND.toSpliced(499, 2, SOUND[500] ?? '', SOUND[499] ?? ''), chain: 500 },
  'a letter changed': { lines: edit(499, (line) => line.replace('quoted', 'quotes')), chain: 500, soundAfter: 500 },
  'a bit of the hash flipped': { lines: edit(499, (line) => `${line.slice(0, -3)}${line.at(-3) === '0' ? '1' : '0'}"}`), chain: 500 },
  'a key written twice': { lines: edit(499, (line) => line.replace('"i":499', '"i":499,"i":499')), chain: 500 },
  '1 written as 1.0': { lines: edit(499, (line) => line.replace('"score":1', '"score":1.0')), chain: 500 },
  'é written as an escape': { lines: edit(499, (line) => line.replace('é', '\\u00e9')), chain: 500 },
  'white space added': { lines: edit(499, (line) => line.replace('"data":{', '"data": {')), chain: 500 },
  'the head dropped': { lines: SOUND.slice(10), chain: 1 },
  'the genesis swapped': { lines: [makeLog(1, 'other')[0] ?? '', ...SOUND.slice(1)], chain: 2, soundAfter: 999 },
  'an empty line added': { lines: SOUND.toSpliced(499, 0, ''), chain: 500 },
  'a line of rubbish': { lines: SOUND.toSpliced(499, 1, 'x'.repeat(3_000_000)), chain: 500 },
  'a carriage return added': { lines: edit(499, (line) => `${line}\r`), chain: 500 },
  'the tail cut off': { lines: SOUND.slice(0, 900), chain: null },
  'all written anew': { lines: makeLog(COUNT, 'other'), chain: null },
  'all from one record on sealed anew': { lines: resealed(SOUND, 499, (body) => body.replace('quoted', 'quotes')), chain: null },
};

async function verdictOf(
  lines: string[],
  end = '\n',
): Promise<{ verdict: Verdict; independent: ReturnType<typeof verifyIndependently>; held: boolean }> {
  const path = join(dir, 'log.jsonl');
  writeFileSync(path, lines.join('\n') + end);
  let held = false;
  // What somebody kept elsewhere: the receipt of record 950.
  const receipt = (SOUND[949] ?? '').slice(-66, -2);
  const verdict = await verifyLog([{ name: path, blocks: blocksOf(path) }], {
    onRecord: (seq, hash) => (held ||= seq === 950 && hash === receipt),
  });
  return { verdict, independent: verifyIndependently(path), held };
}

describe('verifying a log', () => {
  it('finds nothing wrong with what was written', async () => {
    const { verdict, independent, held } = await verdictOf(SOUND);
    expect(verdict).toMatchObject({ first: 1, last: COUNT, hash: SOUND[COUNT - 1]?.slice(-66, -2), fault: null, torn: 0 });
    expect(independent).toMatchObject({ records: COUNT, fault: null, last: verdict.hash });
    expect(held).toBe(true);
  });

  it.each(Object.entries(ATTACKS))('%s', async (_, { lines, chain, soundAfter }) => {
    const { verdict, independent, held } = await verdictOf(lines);
    if (chain === null) {
      // The chain cannot see it: only what is held elsewhere can.
      expect(verdict.fault).toBeNull();
      expect(independent.fault).toBeNull();
      expect(held).toBe(false);
      return;
    }
    const offset = chain === 1 ? 0 : Buffer.byteLength(lines.slice(0, chain - 1).join('\n')) + 1;
    if (verdict.first === 1) expect(verdict.fault).toMatchObject({ seq: chain, offset });
    expect(independent).toMatchObject({ records: chain - 1, offset });
    expect(independent.fault).not.toBeNull();
    if (soundAfter !== undefined) expect(verdict.soundAfter).toBe(soundAfter);
  });

  it('says from which record on a log goes whose head is missing, so that it is not taken for whole', async () => {
    const { verdict } = await verdictOf(SOUND.slice(10));
    expect(verdict).toMatchObject({ first: 11, last: COUNT, fault: null });
  });

  it('tells a torn last line from tampering', async () => {
    const { verdict } = await verdictOf([...SOUND.slice(0, 10), (SOUND[10] ?? '').slice(0, 40)], '');
    expect(verdict).toMatchObject({ last: 10, fault: null, torn: 40 });
  });

  it('reads a log over many files, compressed ones among them, as one', async () => {
    const [one, two, three] = [join(dir, 'a.jsonl.gz'), join(dir, 'b.jsonl.gz'), join(dir, 'c.jsonl')];
    writeFileSync(one, gzipSync(`${SOUND.slice(0, 400).join('\n')}\n`));
    writeFileSync(two, gzipSync(`${SOUND.slice(400, 401).join('\n')}\n`));
    writeFileSync(three, `${SOUND.slice(401).join('\n')}\n`);
    const segments = (paths: string[]) => paths.map((name) => ({ name, blocks: blocksOf(name) }));
    expect(await verifyLog(segments([one, two, three]))).toMatchObject({ first: 1, last: COUNT, fault: null });
    expect(await verifyLog(segments([one, three]))).toMatchObject({
      last: 400,
      fault: { seq: 401, file: three, offset: 0 },
      soundAfter: 599,
    });
  });

  it('reads in blocks what does not fit into one, byte for byte the same', async () => {
    const lines = makeLog(40, 'x'.repeat(100_000));
    expect((await verdictOf(lines)).verdict).toMatchObject({ last: 40, fault: null });
    expect(readFileSync(join(dir, 'log.jsonl')).length).toBeGreaterThan(3 * 1024 * 1024);
  });

  it('has nothing to say against an empty log', async () => {
    expect((await verdictOf([], '')).verdict).toMatchObject({ last: 0, fault: null, torn: 0 });
  });
});
