// Requests that were done once: for a day, and a bounded number of each token.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RequestMark } from '../../src/incident/events.ts';
import { type Db, openDatabase } from '../../src/store/database.ts';
import { type Requests, createRequests } from '../../src/store/requests.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.parse('2026-03-13T08:15:30.123Z');
const RECEIPT = { seq: 7, hash: 'f'.repeat(64) };

let dir: string;
let db: Db;
let requests: Requests;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  db = openDatabase(join(dir, 'incidents.db'));
  requests = createRequests(db);
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

const mark = (key: string, token = 'firewall'): RequestMark => ({ token, key_sha256: key, body_sha256: `body of ${key}` });
const count = (token: string) => db.prepare('SELECT n FROM request_counts WHERE token = ?').pluck().get(token) ?? 0;
const recount = (token: string) => db.prepare('SELECT count(*) FROM requests WHERE token = ?').pluck().get(token);

function fill(token: string, n: number, at: number): void {
  db.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${n})
    INSERT INTO requests (token, key_sha256, body_sha256, incident, seq, hash, at) SELECT '${token}', 'key' || i, 'b', NULL, i, 'h', ${at} FROM n`);
}

describe('a request that was done', () => {
  it('is found again with what it did, by its token and key only', () => {
    requests.keep(mark('k'), 'INC-1', RECEIPT, NOW);
    expect(requests.find(mark('k'), NOW)).toEqual({ body_sha256: 'body of k', incident: 'INC-1', receipt: RECEIPT });
    expect(requests.find(mark('K'), NOW)).toBeNull();
    expect(requests.find(mark('k', 'other'), NOW)).toBeNull();
  });

  it('is remembered for 24 hours and not longer', () => {
    requests.keep(mark('k'), null, RECEIPT, NOW);
    expect(requests.find(mark('k'), NOW + 24 * HOUR_MS - 1)).not.toBeNull();
    expect(requests.find(mark('k'), NOW + 24 * HOUR_MS)).toBeNull();
  });

  it('may be done anew under its key after that', () => {
    requests.keep(mark('k'), 'INC-1', RECEIPT, NOW);
    const later = NOW + 25 * HOUR_MS;
    requests.keep(mark('k'), 'INC-2', RECEIPT, later);
    expect(requests.find(mark('k'), later)?.incident).toBe('INC-2');
    expect(recount('firewall')).toBe(1);
  });

  it('takes room no longer than it is remembered: what is over age goes faster than it came', () => {
    fill('firewall', 100, NOW);
    const later = NOW + 25 * HOUR_MS;
    for (let i = 0; i < 40; i += 1) requests.keep(mark(`new ${i}`), null, RECEIPT, later);
    expect(recount('firewall')).toBe(40);
    expect(count('firewall')).toBe(40);
  });
});

describe('a token', () => {
  it('has no more than 100,000 requests remembered: the oldest goes for each that comes, and no other token is touched', () => {
    fill('other', 5, NOW);
    fill('firewall', 100_000, NOW);
    requests.keep(mark('one more'), null, RECEIPT, NOW);
    expect(recount('firewall')).toBe(100_000);
    expect(requests.find(mark('key1'), NOW)).toBeNull();
    expect(requests.find(mark('key2'), NOW)).not.toBeNull();
    expect(requests.find(mark('one more'), NOW)).not.toBeNull();
    expect(recount('other')).toBe(5);
    expect([count('firewall'), count('other')]).toEqual([100_000, 5]);
  });
});
