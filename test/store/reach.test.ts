// Lists of holds, commands and approvals: no page looks at more rows than it may, and by its links all that matches is found.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { listReply } from '../../src/http/listing.ts';
import type { Plain } from '../../src/http/problem.ts';
import { createApprovals } from '../../src/store/approvals.ts';
import { createCommands } from '../../src/store/commands.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createHolds } from '../../src/store/holds.ts';
import { MAX_EXAMINED } from '../../src/store/reach.ts';

const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
const db = openDatabase(join(dir, 'incidents.db'));
afterAll(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

const ROWS = 2 * MAX_EXAMINED + 100;
/** Rows that are looked for: the oldest, one on either side of where a page ends, and the newest. */
const RARE = [1, MAX_EXAMINED, MAX_EXAMINED + 99, MAX_EXAMINED + 100, MAX_EXAMINED + 101, ROWS];
const rare = JSON.stringify(RARE);
const AT = '2026-03-13T08:15:30.123Z';
const numbers = `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${ROWS})`;
const isRare = `n IN (SELECT value FROM json_each('${rare}'))`;
db.exec(`${numbers} INSERT INTO holds (seq, id, action, target_type, target_id, status, live, rule, source, created_at)
  SELECT n, 'HLD-' || n, 'block_ip', 'ip', n, iif(${isRare}, 'failed', 'enforced'), 1, 'prompt_injection', 'firewall', '${AT}' FROM numbers`);
db.exec(`${numbers} INSERT INTO commands (seq, id, op, hold, incident_id, actuator, reason, status, open, held, created_at, not_before, deadline_at)
  SELECT n, 'CMD-' || n, 'apply', n, 'INC', 'firewall', 'ordered', iif(${isRare}, 'failed', 'succeeded'), 0, 0, '${AT}', '${AT}', '${AT}' FROM numbers`);
db.exec(`${numbers} INSERT INTO approvals (seq, id, incident, incident_id, status, reason, requested_by, proposals, digest, created_at, expires_at)
  SELECT n, 'APR-' || n, n, 'INC', iif(${isRare}, 'rejected', 'approved'), '', 'service', '[]', '', '${AT}', '${AT}' FROM numbers`);

const [holds, commands, approvals] = [createHolds(db), createCommands(db), createApprovals(db)];
const LISTS = {
  holds: {
    list: (before: number, limit: number) => holds.list({ status: ['failed'], action: null, actuator: null }, before, limit),
    all: (before: number, limit: number) => holds.list({ status: null, action: null, actuator: null }, before, limit),
    reach: holds.reach,
  },
  commands: {
    list: (before: number, limit: number) => commands.list({ status: ['failed'] }, before, limit),
    all: (before: number, limit: number) => commands.list({}, before, limit),
    reach: commands.reach,
  },
  approvals: {
    list: (before: number, limit: number) => approvals.list(['rejected'], before, limit),
    all: (before: number, limit: number) => approvals.list(null, before, limit),
    reach: approvals.reach,
  },
};

describe.each(Object.entries(LISTS))('a list of %s', (name, { list, all, reach }) => {
  /** The pages that its links lead to. */
  async function pages(limit: number): Promise<number[][]> {
    const found: number[][] = [];
    for (let query: string | undefined = `limit=${limit}`; query !== undefined;) {
      const view = ({ seq }: { seq: number }) => seq;
      const answer: Plain = listReply<{ seq: number }>({ path: `/${name}` }, new URLSearchParams(query), {
        filter: name,
        list,
        reach,
        view,
      });
      found.push(JSON.parse(answer.body) as number[]);
      query = /\?([^>]+)>/.exec(answer.headers['link'] ?? '')?.[1];
    }
    return found;
  }

  it.each([1, 2, 3, 100])('finds all that matches, each once and the newest first, in pages of %i', async (limit) => {
    const found = await pages(limit);
    expect(found.flat()).toEqual(RARE.toReversed());
    expect(found.every((page) => page.length <= limit)).toBe(true);
    expect(found.length).toBeLessThanOrEqual(Math.ceil(ROWS / MAX_EXAMINED) + RARE.length / limit);
  });

  it('looks at so many rows for a page and no more', () => {
    const oldest = reach(Number.MAX_SAFE_INTEGER);
    expect(oldest).toBe(ROWS - MAX_EXAMINED + 1);
    expect(all(Number.MAX_SAFE_INTEGER, ROWS).map(({ seq }) => seq)).toEqual(Array.from({ length: MAX_EXAMINED }, (_, i) => ROWS - i));
    expect(reach(MAX_EXAMINED)).toBeNull();
  });
});

it('the commands of one hold are all found', () => {
  expect(commands.list({ hold: 1 }, Number.MAX_SAFE_INTEGER, 10).map(({ seq }) => seq)).toEqual([1]);
  expect(commands.list({ hold: 1, status: ['pending'] }, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
});
