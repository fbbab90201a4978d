// One page of the incident list: most severe first, then newest, by keyset, with bounded work whatever the filter is.

import type { Filter, Position } from '../incident/filter.ts';
import { STATES, rankOf } from '../incident/vocabulary.ts';
import type { Db } from './database.ts';

/** Rows looked at for one page, matching or not. */
const MAX_EXAMINED = 5000;

interface Page {
  /** Seqs of the incidents, in order. */
  readonly seqs: readonly number[];
  /** Where the next page begins; null at the end. */
  readonly next: Position | null;
}

export interface Pages {
  list(filter: Filter, after: Position | null, limit: number): Page;
}

/** One branch of the walk: rows of one state and rank, newest first. */
interface Branch {
  readonly seqs: number[];
  /** All rows down to this seq were looked at; 0 when the branch is at its end. */
  readonly to: number;
  /** How many that were, where it matters: a branch that filled its page ends the walk. */
  readonly examined: number;
}

export function createPages(db: Db): Pages {
  const statements = new Map<string, ReturnType<typeof prepare>>();
  const prepare = (conditions: string) => ({
    // The inner LIMIT bounds the work and keeps SQLite from flattening the query; it walks incidents_worst.
    matches: db
      .prepare<[object], number>(
        `SELECT seq FROM (SELECT * FROM incidents WHERE state = :state AND rank = :rank AND seq < :before AND seq >= :from
         ORDER BY seq DESC LIMIT :budget) WHERE ${conditions} LIMIT :limit`,
      )
      .pluck(),
    lowest: db.prepare<[object], { lowest: number | null; n: number }>(
      `SELECT min(seq) AS lowest, count(*) AS n FROM (SELECT seq FROM incidents
         WHERE state = :state AND rank = :rank AND seq < :before AND seq >= :from ORDER BY seq DESC LIMIT :budget)`,
    ),
  });
  const firstSince = createFirstSince(db);

  const walk = (filter: Filter, state: string, rank: number, before: number, from: number, limit: number, budget: number): Branch => {
    const conditions = conditionsOf(filter);
    let statement = statements.get(conditions);
    if (!statement) statements.set(conditions, (statement = prepare(conditions)));
    const range = { state, rank, before, from, budget };
    const seqs = statement.matches.all({ ...range, ...valuesOf(filter), limit });
    const last = seqs[limit - 1];
    if (last !== undefined) return { seqs, to: last, examined: limit };
    const { lowest, n } = statement.lowest.get(range) ?? { lowest: null, n: 0 };
    return { seqs, to: n < budget ? 0 : (lowest ?? 0), examined: n };
  };

  return {
    list(filter, after, limit) {
      const states = filter.state ?? STATES;
      const ranks = [4, 3, 2, 1].filter((rank) => !filter.severity || filter.severity.some((severity) => rankOf(severity) === rank));
      const from = filter.since === null ? 0 : firstSince(filter.since);
      const end = filter.until === null ? Number.MAX_SAFE_INTEGER : firstSince(filter.until);
      const found: number[] = [];
      let left = MAX_EXAMINED;
      for (const rank of ranks) {
        if (after && rank > after.rank) continue;
        if (left < states.length) return { seqs: found, next: { rank, before: end } };
        const before = Math.min(end, after?.rank === rank ? after.before : end);
        const budget = Math.floor(left / states.length);
        const branches = states.map((state) => walk(filter, state, rank, before, from, limit - found.length, budget));
        // Below the highest of these some branch has rows that nobody looked at yet.
        const to = Math.max(...branches.map((branch) => branch.to));
        const merged = branches
          .flatMap(({ seqs }) => seqs)
          .filter((seq) => seq >= to)
          .toSorted((a, b) => b - a);
        found.push(...merged.slice(0, limit - found.length));
        if (found.length === limit) return { seqs: found, next: { rank, before: found.at(-1) ?? 0 } };
        if (to > 0) return { seqs: found, next: { rank, before: to } };
        left -= branches.reduce((sum, { examined }) => sum + examined, 0);
      }
      return { seqs: found, next: null };
    },
  };
}

function conditionsOf(filter: Filter): string {
  const conditions = [
    filter.class && 'class IN (SELECT value FROM json_each(:class))',
    filter.source && 'source IN (SELECT value FROM json_each(:source))',
    filter.reported_by !== null && 'reported_by = :reported_by',
    filter.q !== null && 'instr(lower(description), lower(:q)) > 0',
  ].filter((condition) => typeof condition === 'string');
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

function valuesOf(filter: Filter): Record<string, string> {
  return {
    ...(filter.class && { class: JSON.stringify(filter.class) }),
    ...(filter.source && { source: JSON.stringify(filter.source) }),
    ...(filter.reported_by !== null && { reported_by: filter.reported_by }),
    ...(filter.q !== null && { q: filter.q }),
  };
}

/**
 * The seq of the first incident created at or after an instant, found by halving: created_at never falls as seq rises,
 * so time needs no index of its own.
 */
function createFirstSince(db: Db): (instant: string) => number {
  const newest = db.prepare<[], number | null>('SELECT max(seq) FROM incidents').pluck();
  const next = db.prepare<[number], { seq: number; created_at: string }>(
    'SELECT seq, created_at FROM incidents WHERE seq >= ? ORDER BY seq LIMIT 1',
  );
  return (instant) => {
    let low = 1;
    let high = (newest.get() ?? 0) + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = next.get(middle);
      if (row && row.created_at < instant) low = row.seq + 1;
      else high = middle;
    }
    return low;
  };
}
