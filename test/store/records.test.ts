// The audit log as a table: its head, its order, and what is about an incident.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GENESIS, seal } from '../../src/audit/record.ts';
import { type Db, openDatabase } from '../../src/store/database.ts';
import { type Records, createRecords } from '../../src/store/records.ts';

let dir: string;
let db: Db;
let records: Records;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  db = openDatabase(join(dir, 'incidents.db'));
  records = createRecords(db);
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

const seqs = (found: readonly { seq: number }[]) => found.map(({ seq }) => seq);

describe('the records', () => {
  it('have the zeros for their head while there are none, and then that of the last', () => {
    expect(records.head()).toEqual(GENESIS);
    const first = seal(GENESIS, { ts: '2026-03-13T08:15:30.123Z', type: 'a', id: null, actor: 'b', data: {} });
    const second = seal(first, { ts: '2026-03-13T08:15:30.124Z', type: 'a', id: null, actor: 'b', data: { x: '","hash":"' } });
    records.insert(1, null, first.line);
    records.insert(2, null, second.line);
    expect(records.head()).toEqual({ seq: 2, ts: second.ts, hash: second.hash });
  });

  it('are not gone on from when the last is no line of ours: a chain is never begun anew in silence', () => {
    records.insert(1, null, '{"seq":1}');
    expect(() => records.head()).toThrow('not a line of ours');
  });

  it('cannot take the place of one that is there', () => {
    records.insert(1, null, 'a');
    expect(() => records.insert(1, null, 'b')).toThrow('UNIQUE');
    expect(records.line(1)).toBe('a');
    expect(records.line(2)).toBeNull();
  });

  it('come oldest first, no more than asked for, and no more than the bytes allow but at least one', () => {
    for (let seq = 1; seq <= 10; seq += 1) records.insert(seq, null, 'x'.repeat(100));
    expect(seqs(records.after(0, 3, 1e6))).toEqual([1, 2, 3]);
    expect(seqs(records.after(8, 100, 1e6))).toEqual([9, 10]);
    expect(seqs(records.after(10, 100, 1e6))).toEqual([]);
    expect(seqs(records.after(0, 100, 250))).toEqual([1, 2, 3]);
    expect(seqs(records.after(4, 100, 1))).toEqual([5]);
  });

  it('of an incident are paged like all of them', () => {
    for (let seq = 1; seq <= 10; seq += 1) records.insert(seq, seq % 2 === 0 ? 2 : null, 'x'.repeat(100));
    expect(seqs(records.timeline(2, 0, 100, 1e6))).toEqual([2, 4, 6, 8, 10]);
    expect(seqs(records.timeline(2, 4, 2, 1e6))).toEqual([6, 8]);
    expect(seqs(records.timeline(2, 0, 100, 150))).toEqual([2, 4]);
    expect(seqs(records.timeline(3, 0, 100, 1e6))).toEqual([]);
  });
});
