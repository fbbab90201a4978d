// The audit log as a table: every line, in its order, and what it is about.

import { type Head, GENESIS, headOf } from '../audit/record.ts';
import type { Db } from './database.ts';

interface Record {
  readonly seq: number;
  readonly line: string;
}

export interface Records {
  /** The last record, which the next one is sealed to. */
  head(): Head;
  /** Seq of the oldest record that is kept; 1 before the first. */
  first(): number;
  insert(seq: number, about: number | null, line: string): void;
  /** Lines after `seq`, oldest first; fewer than `limit` when `maxBytes` (UTF-16 units) is reached, but at least one. */
  after(seq: number, limit: number, maxBytes: number): Record[];
  line(seq: number): string | null;
  /** Records about an incident and, while it owned them, about its holds; after `seq`, oldest first, bounded like `after`. */
  timeline(incident: number, seq: number, limit: number, maxBytes: number): Record[];
}

export function createRecords(db: Db): Records {
  const insert = db.prepare<[number, number | null, string]>('INSERT INTO records (seq, about, line) VALUES (?, ?, ?)');
  const last = db.prepare<[], string>('SELECT line FROM records ORDER BY seq DESC LIMIT 1').pluck();
  const first = db.prepare<[], number>('SELECT coalesce(min(seq), 1) FROM records').pluck();
  const one = db.prepare<[number], string>('SELECT line FROM records WHERE seq = ?').pluck();
  const after = db.prepare<[number, number], Record>('SELECT seq, line FROM records WHERE seq > ? ORDER BY seq LIMIT ?');
  const timeline = db.prepare<{ incident: number; seq: number; limit: number }, Record>(`
    SELECT seq, line FROM (
      SELECT r.seq FROM records r WHERE r.about = :incident AND r.seq > :seq
      UNION
      SELECT r.seq FROM incident_actions a JOIN records r ON r.about = a.hold
      WHERE a.incident = :incident AND r.seq > max(:seq, a.began) AND (a.ended = 0 OR r.seq <= a.ended)
      ORDER BY seq LIMIT :limit
    ) JOIN records USING (seq) ORDER BY seq`);
  return {
    head() {
      const line = last.get();
      if (line === undefined) return GENESIS;
      const head = headOf(line);
      if (!head) throw new RangeError('the last record of the store is not a line of ours');
      return head;
    },
    first: () => first.get() ?? 1,
    insert: (seq, about, line) => void insert.run(seq, about, line),
    after: (seq, limit, maxBytes) => within(after.iterate(seq, limit), maxBytes),
    line: (seq) => one.get(seq) ?? null,
    timeline: (incident, seq, limit, maxBytes) => within(timeline.iterate({ incident, seq, limit }), maxBytes),
  };
}

function within(rows: Iterable<Record>, maxBytes: number): Record[] {
  const taken: Record[] = [];
  let bytes = 0;
  for (const row of rows) {
    taken.push(row);
    bytes += row.line.length;
    if (bytes >= maxBytes) break;
  }
  return taken;
}
