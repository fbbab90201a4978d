// Requests that carried an Idempotency-Key and were done: for 24 hours, and no more than 100,000 of one token.

import type { RequestMark } from '../incident/events.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Db } from './database.ts';

export const KEEP_MS = 24 * 3_600_000;
const KEEP_PER_TOKEN = 100_000;

export interface Done {
  readonly body_sha256: string;
  /** The incident it made or changed; null when it was about none. */
  readonly incident: string | null;
  readonly receipt: Receipt;
}

export interface Requests {
  /** What was done for this key, if that is not too long ago. `now` in milliseconds since 1970. */
  find(mark: RequestMark, now: number): Done | null;
  /** Keeps what was done, and forgets some of what is over age or over number: each call forgets more than it keeps. */
  keep(mark: RequestMark, incident: string | null, receipt: Receipt, now: number): void;
}

interface Row {
  body_sha256: string;
  incident: string | null;
  seq: number;
  hash: string;
}

export function createRequests(db: Db): Requests {
  const find = db.prepare<[string, string, number], Row>(
    'SELECT body_sha256, incident, seq, hash FROM requests WHERE token = ? AND key_sha256 = ? AND at > ?',
  );
  const drop = db.prepare<[string, string]>('DELETE FROM requests WHERE token = ? AND key_sha256 = ?');
  const insert = db.prepare('INSERT INTO requests (token, key_sha256, body_sha256, incident, seq, hash, at) VALUES (?, ?, ?, ?, ?, ?, ?)');
  const expire = db.prepare<[number]>(
    'DELETE FROM requests WHERE n IN (SELECT n FROM (SELECT n, at FROM requests ORDER BY n LIMIT 4) WHERE at <= ?)',
  );
  const count = db.prepare<[string], number>('SELECT n FROM request_counts WHERE token = ?').pluck();
  const oldest = db.prepare<[string]>('DELETE FROM requests WHERE n = (SELECT n FROM requests WHERE token = ? ORDER BY n LIMIT 1)');
  return {
    find({ token, key_sha256 }, now) {
      const row = find.get(token, key_sha256, now - KEEP_MS);
      return row ? { body_sha256: row.body_sha256, incident: row.incident, receipt: { seq: row.seq, hash: row.hash } } : null;
    },
    keep({ token, key_sha256, body_sha256 }, incident, receipt, now) {
      expire.run(now - KEEP_MS);
      drop.run(token, key_sha256);
      if ((count.get(token) ?? 0) >= KEEP_PER_TOKEN) oldest.run(token);
      insert.run(token, key_sha256, body_sha256, incident, receipt.seq, receipt.hash, now);
    },
  };
}
