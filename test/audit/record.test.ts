// The format of the audit log, held against plain text, an independent hash and a shell.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Entry, GENESIS, type Sealed, TAIL_LENGTH, hashOf, headOf, seal } from '../../src/audit/record.ts';
import { verifyLog } from '../support/verify-log.mjs';

const ENTRY: Entry = {
  ts: '2026-03-13T08:15:30.123Z',
  type: 'incident.reported',
  id: 'INC-20260313-1f0c9a7be2d4',
  actor: 'reporter:runtime-attestor',
  data: { b: 1, a: ['é', null, true, 0.5] },
};

/** As ledger formats are checked by people: with what every system has. */
const ONE_LINER = String.raw`(printf '\0'; grep -h '^{"v":1,"seq":'"$1"',' "$2" | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\n') | sha256sum`;

function byShell(seq: number, lines: readonly string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  try {
    writeFileSync(join(dir, 'F'), lines.map((line) => `${line}\n`).join(''));
    return execFileSync('sh', ['-c', ONE_LINER, 'sh', String(seq), join(dir, 'F')], { encoding: 'utf8' }).slice(0, 64);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function chainOf(entries: readonly Entry[]): Sealed[] {
  const sealed: Sealed[] = [];
  for (const entry of entries) sealed.push(seal(sealed.at(-1) ?? GENESIS, entry));
  return sealed;
}

describe('a record', () => {
  it('is one line with its fields in a fixed order, without spaces, as the format says', () => {
    const { line, hash } = seal(GENESIS, ENTRY);
    const body =
      '{"v":1,"seq":1,"ts":"2026-03-13T08:15:30.123Z","type":"incident.reported","id":"INC-20260313-1f0c9a7be2d4",' +
      `"actor":"reporter:runtime-attestor","data":{"b":1,"a":["é",null,true,0.5]},"prev":"${'0'.repeat(64)}"`;
    expect(line).toBe(`${body},"hash":"${hash}"}`);
    expect(hash).toBe(createHash('sha256').update(Buffer.of(0)).update(body, 'utf8').digest('hex'));
  });

  it('ends in a tail of exactly 75 bytes', () => {
    expect(TAIL_LENGTH).toBe(75);
    expect(seal(GENESIS, ENTRY).line.slice(-75)).toMatch(/^,"hash":"[0-9a-f]{64}"\}$/);
  });

  it('that is about nothing has null for its id', () => {
    expect(seal(GENESIS, { ...ENTRY, id: null }).line).toContain('"type":"incident.reported","id":null,"actor"');
  });

  it('carries the hash of the record before it, and counts on from it', () => {
    const [first, second, third] = chainOf([ENTRY, ENTRY, ENTRY]);
    expect([first?.seq, second?.seq, third?.seq]).toEqual([1, 2, 3]);
    expect(second?.line).toContain(`,"prev":"${first?.hash}","hash":"`);
    expect(third?.line).toContain(`,"prev":"${second?.hash}","hash":"`);
    expect(new Set([first?.hash, second?.hash, third?.hash]).size).toBe(3);
  });

  it('is verified by a line of shell', () => {
    const chain = chainOf(Array.from({ length: 42 }, (_, i) => ({ ...ENTRY, data: { n: i } })));
    const lines = chain.map(({ line }) => line);
    expect(byShell(42, lines)).toBe(chain[41]?.hash);
    expect(byShell(4, lines)).toBe(chain[3]?.hash);
    expect(byShell(42, [...lines.slice(0, 41), String(lines[41]).replace('"n":41', '"n":40')])).not.toBe(chain[41]?.hash);
  });

  it('is verified by the same line of shell when its evidence holds the words of the tail', () => {
    const evidence = { note: `x","hash":"${'a'.repeat(64)}"}`, end: '","hash":"', prev: `","prev":"${'0'.repeat(64)}"` };
    const { line, hash } = seal(GENESIS, { ...ENTRY, data: { evidence } });
    expect(byShell(1, [line])).toBe(hash);
    expect(hashOf(line)).toBe(hash);
    expect(headOf(line)).toEqual({ seq: 1, ts: ENTRY.ts, hash });
  });
});

describe('a chain', () => {
  it('of any data is sound for a verifier that shares no code with it, is read back by its heads, and shows every flipped byte', () => {
    const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
    const path = join(dir, 'F');
    const data = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 4 });
    const actor = fc.string({ unit: 'binary', minLength: 1 });
    try {
      fc.assert(
        fc.property(
          fc.array(fc.record({ data, actor }), { minLength: 1, maxLength: 5 }),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          (told, at, flip) => {
            const chain = chainOf(told.map((each) => ({ ...ENTRY, ...each })));
            const bytes = Buffer.from(chain.map(({ line }) => `${line}\n`).join(''));
            writeFileSync(path, bytes);
            expect(verifyLog(path)).toMatchObject({ records: told.length, fault: null, torn: false, last: chain.at(-1)?.hash });
            for (const { line, seq, ts, hash } of chain) {
              expect(line).not.toContain('\n');
              expect(headOf(line)).toEqual({ seq, ts, hash });
            }
            const place = at % bytes.length;
            bytes[place] = Number(bytes[place]) ^ flip;
            writeFileSync(path, bytes);
            const { fault, records, torn } = verifyLog(path);
            expect(fault !== null || (torn && records === told.length - 1)).toBe(true);
          },
        ),
        { numRuns: 200 },
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

describe('the head of a line', () => {
  const { line } = seal(GENESIS, ENTRY);
  it.each([
    ['without its last character', line.slice(0, -1)],
    ['with white space in front', ` ${line}`],
    ['with a hash in capitals', line.slice(0, -66) + line.slice(-66, -2).toUpperCase() + line.slice(-2)],
    ['of another version', line.replace('"v":1', '"v":2')],
    ['with seq 0', line.replace('"seq":1', '"seq":0')],
    ['with a seq that has a leading zero', line.replace('"seq":1', '"seq":01')],
    ['that is empty', ''],
  ])('is not read off a line %s', (_, wrong) => {
    expect(headOf(wrong)).toBeNull();
  });
});
