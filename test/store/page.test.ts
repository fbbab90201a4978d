// The list of incidents, page by page, against a plain array that is filtered and sorted.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Filter, Position } from '../../src/incident/filter.ts';
import { SEVERITIES, STATES, type Severity, type State, rankOf } from '../../src/incident/vocabulary.ts';
import { type Db, openDatabase } from '../../src/store/database.ts';
import { type Pages, createPages } from '../../src/store/page.ts';
import { openTestHouse } from '../support/house.ts';

interface Row {
  seq: number;
  created_at: string;
  class: string;
  severity: Severity;
  state: State;
  source: string;
  reported_by: string;
  description: string;
}

const MAX_EXAMINED = 5000;
const ANY: Filter = { class: null, state: null, severity: null, source: null, since: null, until: null, q: null, reported_by: null };
const START = Date.parse('2026-03-13T00:00:00.000Z');
const at = (ms: number) => new Date(START + ms).toISOString();

const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
let db: Db;
let pages: Pages;
beforeAll(() => {
  db = openDatabase(join(dir, 'incidents.db'));
  db.pragma('synchronous = OFF'); // these rows need not survive anything
  pages = createPages(db);
});
afterAll(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

function fill(rows: readonly Row[]): void {
  const insert = db.prepare(`INSERT INTO incidents
    SELECT :seq, 'INC-' || :seq, :seq, 'h', :created_at, :created_at, :created_at, 1, :class, :severity, :rank, :state,
      :source, :reported_by, :description, NULL, NULL, 'none', NULL, NULL, NULL, '{}'`);
  db.transaction(() => {
    db.exec('DELETE FROM incidents');
    for (const row of rows) insert.run({ ...row, rank: rankOf(row.severity) });
  })();
}

/** What a list is, said as plainly as can be. */
function naive(rows: readonly Row[], filter: Filter): number[] {
  const among = (words: readonly string[] | null, word: string) => words === null || words.includes(word);
  return rows
    .filter((row) => among(filter.class, row.class) && among(filter.state, row.state))
    .filter((row) => among(filter.severity, row.severity) && among(filter.source, row.source))
    .filter((row) => filter.since === null || row.created_at >= filter.since)
    .filter((row) => filter.until === null || row.created_at < filter.until)
    .filter((row) => filter.q === null || row.description.toLowerCase().includes(filter.q.toLowerCase()))
    .filter((row) => among(filter.reported_by === null ? null : [filter.reported_by], row.reported_by))
    .toSorted((a, b) => rankOf(b.severity) - rankOf(a.severity) || b.seq - a.seq)
    .map(({ seq }) => seq);
}

/** Follows `next` to the end. */
function walk(filter: Filter, limit: number): { seqs: number[]; steps: Position[] } {
  const seqs: number[] = [];
  const steps: Position[] = [];
  for (let after: Position | null = null; ;) {
    const page = pages.list(filter, after, limit);
    expect(page.seqs.length).toBeLessThanOrEqual(limit);
    seqs.push(...page.seqs);
    if (page.next === null) return { seqs, steps };
    expect(page.next).not.toEqual(after);
    steps.push(page.next);
    after = page.next;
  }
}

const CLASSES = ['prompt_injection', 'tool_call_burst', 'unauthorized_access'];
const SOURCES = ['a', 'b', 'a,b'];
const REPORTERS = ['one', 'two'];
const WORDS = ['Disk', 'disk 50%', 'x_y', "o'brien", ''];

const rowsOf = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 1, max: 3 }),
      later: fc.integer({ min: 0, max: 2 }),
      class: fc.constantFrom(...CLASSES),
      severity: fc.constantFrom(...SEVERITIES),
      state: fc.constantFrom(...STATES),
      source: fc.constantFrom(...SOURCES),
      reported_by: fc.constantFrom(...REPORTERS),
      description: fc.constantFrom(...WORDS),
    }),
    { maxLength: 60 },
  )
  .map((drawn) => {
    let [seq, ms] = [0, 0];
    return drawn.map(({ gap, later, ...row }): Row => {
      [seq, ms] = [seq + gap, ms + later];
      return { ...row, seq, created_at: at(ms) };
    });
  });

const some = <T>(...of: T[]) => fc.option(fc.subarray(of, { minLength: 1 }), { freq: 2 });
const filterOf: fc.Arbitrary<Filter> = fc.record({
  class: some(...CLASSES, 'nobody_knows'),
  state: some(...STATES),
  severity: some(...SEVERITIES),
  source: some(...SOURCES, 'c'),
  since: fc.option(fc.integer({ min: -1, max: 70 }).map(at), { freq: 1 }),
  until: fc.option(fc.integer({ min: -1, max: 70 }).map(at), { freq: 1 }),
  q: fc.option(fc.constantFrom('disk', 'DISK', '%', '_', "'", 'k 5'), { freq: 1 }),
  reported_by: fc.option(fc.constantFrom(...REPORTERS), { freq: 1 }),
});

describe('the list', () => {
  it('is most severe first, then newest, whatever the state', () => {
    const row = { created_at: at(0), class: 'prompt_injection', source: 'a', reported_by: 'one', description: '' };
    fill([
      { ...row, seq: 1, severity: 'critical', state: 'resolved' },
      { ...row, seq: 2, severity: 'low', state: 'open' },
      { ...row, seq: 3, severity: 'critical', state: 'open' },
      { ...row, seq: 4, severity: 'high', state: 'contained' },
      { ...row, seq: 5, severity: 'medium', state: 'open' },
      { ...row, seq: 6, severity: 'high', state: 'acknowledged' },
    ]);
    expect(pages.list(ANY, null, 10)).toEqual({ seqs: [3, 1, 6, 4, 5, 2], next: null });
  });

  it('takes since as at or after, and until as before', () => {
    const row = { class: 'prompt_injection', source: 'a', reported_by: 'one', description: '', severity: 'low', state: 'open' } as const;
    fill([0, 10, 10, 20].map((ms, i) => ({ ...row, seq: i + 1, created_at: at(ms) })));
    expect(pages.list({ ...ANY, since: at(10) }, null, 10).seqs).toEqual([4, 3, 2]);
    expect(pages.list({ ...ANY, until: at(10) }, null, 10).seqs).toEqual([1]);
    expect(pages.list({ ...ANY, since: at(10), until: at(20) }, null, 10).seqs).toEqual([3, 2]);
    expect(pages.list({ ...ANY, since: at(21) }, null, 10).seqs).toEqual([]);
    expect(pages.list({ ...ANY, since: at(20), until: at(10) }, null, 10)).toEqual({ seqs: [], next: null });
  });

  it('finds q as it is written, in any case, with no wildcards', () => {
    const row = { class: 'prompt_injection', source: 'a', reported_by: 'one', severity: 'low', state: 'open', created_at: at(0) } as const;
    fill(['Disk at 50%', 'disk at 500', 'a_b', 'aXb', "it's"].map((description, i) => ({ ...row, seq: i + 1, description })));
    const found = (q: string) => pages.list({ ...ANY, q }, null, 10).seqs;
    expect(found('DISK')).toEqual([2, 1]);
    expect(found('50%')).toEqual([1]);
    expect(found('a_b')).toEqual([3]);
    expect(found("'")).toEqual([5]);
    expect(found('nowhere')).toEqual([]);
  });

  it('of an empty store is one empty page', () => {
    fill([]);
    expect(pages.list(ANY, null, 10)).toEqual({ seqs: [], next: null });
    expect(pages.list({ ...ANY, since: at(0), until: at(1) }, null, 10)).toEqual({ seqs: [], next: null });
  });

  it('read page by page is the whole list, whatever the filter and the size of a page', () => {
    fc.assert(
      fc.property(rowsOf, filterOf, fc.integer({ min: 1, max: 7 }), (rows, filter, limit) => {
        fill(rows);
        expect(walk(filter, limit).seqs).toEqual(naive(rows, filter));
      }),
      { numRuns: 300 },
    );
  });

  it('goes on from a page although what stood on it has moved to another state or severity meanwhile', () => {
    const row = { class: 'prompt_injection', source: 'a', reported_by: 'one', description: '', state: 'open', created_at: at(0) } as const;
    fill([1, 2, 3, 4, 5, 6].map((seq) => ({ ...row, seq, severity: 'high' })));
    const first = pages.list(ANY, null, 2);
    expect(first.seqs).toEqual([6, 5]);
    db.exec(`UPDATE incidents SET state = 'resolved' WHERE seq = 5; UPDATE incidents SET severity = 'critical', rank = 4 WHERE seq = 6`);
    expect(pages.list(ANY, first.next, 10).seqs).toEqual([4, 3, 2, 1]);
  });
});

describe('a list of many rows of which few match', () => {
  const many = Array.from({ length: 13_000 }, (_, i): Row => ({
    seq: i + 1,
    created_at: at(i),
    class: CLASSES[i % 2] as string,
    severity: i % 997 === 0 ? 'critical' : 'low',
    // The resolved ones lie deep: one branch of the walk is far ahead of the other.
    state: i < 8000 && i % 3 > 0 ? 'resolved' : 'open',
    source: i % 611 === 0 ? 'a' : 'b',
    reported_by: 'one',
    description: i % 4999 === 0 ? 'Disk' : 'x',
  }));
  beforeAll(() => fill(many));

  it.each<[string, Partial<Filter>]>([
    ['one in six hundred, by source', { source: ['a'] }],
    ['one in five thousand, by description', { q: 'disk' }],
    ['two of three conditions that hold nowhere together', { source: ['a'], q: 'disk', severity: ['critical'] }],
    ['every second', { class: ['tool_call_burst'] }],
    ['in a window', { source: ['a'], since: at(5000), until: at(12_500) }],
  ])('leaves none out and gives none twice, though it looks at each row only once: %s', (_, part) => {
    const filter = { ...ANY, ...part };
    expect(walk(filter, 50).seqs).toEqual(naive(many, filter));
  });

  it('looks at no more than 5,000 rows for a page, and says where to go on even from an empty one', () => {
    const filter = { ...ANY, class: ['nobody_knows'], state: ['open' as const], severity: ['low' as const] };
    const { seqs, steps } = walk(filter, 100);
    expect(seqs).toEqual([]);
    const places = [many.length + 1, ...steps.map(({ before }) => before)];
    const looked = places.slice(1).map((place, i) => Number(places[i]) - place);
    expect(steps.length).toBeGreaterThan(0);
    // Rows of another severity or state lie between: they are passed over in the index, not looked at.
    for (const [i, rows] of looked.entries()) {
      const passed = many.filter(
        ({ seq, severity, state }) => seq < Number(places[i]) && seq >= Number(places[i + 1]) && (severity !== 'low' || state !== 'open'),
      );
      expect(rows - passed.length).toBeLessThanOrEqual(MAX_EXAMINED);
    }
  });
});

describe('over a million rows', () => {
  const MILLION = 1_000_000;
  it('a filter that matches nothing is bounded work a page, and what others ask is answered meanwhile', async () => {
    await using house = await openTestHouse();
    const big = openDatabase(join(house.dir, 'incidents.db'));
    big.pragma('synchronous = OFF');
    const tally = String(big.prepare(`SELECT sql FROM sqlite_master WHERE name = 'incidents_tally_new'`).pluck().get());
    big.exec(`BEGIN; DROP TRIGGER incidents_tally_new;
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MILLION})
      INSERT INTO incidents SELECT 1000 + i, 'INC-20260313-' || printf('%012x', i), 1000 + i, 'h', '2026', '2026', '2026', 1, 'prompt_injection', 'high', 3,
        'open', 's', 'r', 'd', NULL, NULL, 'none', NULL, NULL, NULL, '{}' FROM n;
      INSERT INTO tallies VALUES ('prompt_injection', 'high', 'open', ${MILLION}); ${tally}; COMMIT`);
    big.close();

    let answered = 0;
    const over = new AbortController();
    const others = (async () => {
      while (!over.signal.aborted) {
        const { body } = await house.get('/health').expect(200);
        expect(body.total_incidents).toBe(MILLION);
        answered += 1;
      }
    })();
    let pagesSeen = 0;
    let before = MILLION + 1001;
    let url: string | undefined = '/api/v1/incidents?class=prompt_injection&source=nobody&state=open&severity=high';
    for (;;) {
      const answer: { body: unknown; headers: Record<string, string> } = await house.get(url).expect(200);
      expect(answer.body).toEqual([]);
      pagesSeen += 1;
      url = /<([^>]+)>/.exec(answer.headers['link'] ?? '')?.[1];
      if (url === undefined) break;
      const cursor = new URL(url, house.url).searchParams.get('cursor') ?? '';
      const [, place] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [number, number];
      expect(before - place).toBeLessThanOrEqual(MAX_EXAMINED);
      before = place;
    }
    const meanwhile = answered;
    over.abort();
    await others;
    expect(pagesSeen).toBeGreaterThanOrEqual(MILLION / MAX_EXAMINED);
    expect(meanwhile).toBeGreaterThan(0);
  });
});
