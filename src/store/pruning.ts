// What pruning asks of the tables: what is to be told again because its records go, and the sweeping itself.

import type { Ownership, Sighted } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Db } from './database.ts';
import { type HoldRow, holdOf } from './holds.ts';
import { KEEP_MS } from './requests.ts';

/** A hold, and when it was released, if it was. */
interface KeptHold {
  readonly hold: Hold;
  readonly released_at: string | null;
}

/** Lists are a page each, of at most `limit`, behind the last of the page before. */
export interface Pruning {
  /**
   * Removes records 1 to `to`, and what nothing that is kept needs any more: incidents that were resolved by then, their holds, policies
   * that neither decided on a kept incident nor are in force, requests of then or over age. The hashes of the records MUST be kept before.
   * @param now milliseconds since 1970
   */
  sweep(to: number, inForce: string, now: number): void;
  /** Seqs of incidents up to `to`. */
  incidents(after: number, to: number, limit: number): number[];
  /** What is kept of an incident beside itself. */
  besides(incident: number): { problem: string | null; owned: Ownership[] };
  holds(after: number, to: number, limit: number): KeptHold[];
  policies(after: string, limit: number): { sha256: string; text: string }[];
  sightings(after: Pick<Sighted, 'class' | 'source'>, limit: number): Sighted[];
  forgetSightings(of: Pick<Sighted, 'class' | 'source'>): void;
  clearSightings(): void;
}

const GONE = `SELECT seq FROM incidents WHERE seq <= :to AND state = 'resolved' AND version <= :to`;

export function createPruning(db: Db): Pruning {
  const sweeps = [
    `DELETE FROM evidence WHERE incident IN (${GONE})`,
    `DELETE FROM incident_actions WHERE incident IN (${GONE})`,
    `DELETE FROM incidents WHERE seq IN (${GONE})`,
    'DELETE FROM holds WHERE live = 0 AND seq <= :to AND seq NOT IN (SELECT hold FROM incident_actions WHERE hold IS NOT NULL)',
    `DELETE FROM policies WHERE sha256 <> :inForce AND sha256 NOT IN (SELECT details ->> '$.decided_by.policy_sha256' FROM incidents)`,
    'DELETE FROM requests WHERE seq <= :to OR at <= :overAge',
    'DELETE FROM records WHERE seq <= :to',
  ].map((sql) => db.prepare<[object]>(sql));
  const incidents = db
    .prepare<[number, number, number], number>('SELECT seq FROM incidents WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?')
    .pluck();
  const problem = db.prepare<[number], string | null>('SELECT problem FROM incidents WHERE seq = ?').pluck();
  const owned = db.prepare<[number], Ownership>('SELECT hold, status, began, ended FROM incident_actions WHERE incident = ? ORDER BY n');
  const holds = db.prepare<[number, number, number], HoldRow & { released_at: string | null }>(
    `SELECT seq, id, action, target_type, target_id, status, rule, source, created_at, released_at
     FROM holds WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  );
  const policies = db.prepare<[string, number], { sha256: string; text: string }>(
    'SELECT sha256, text FROM policies WHERE sha256 > ? ORDER BY sha256 LIMIT ?',
  );
  const sightings = db.prepare<[string, string, number], { class: string; source: string; at: string }>(
    'SELECT class, source, at FROM sightings WHERE (class, source) > (?, ?) ORDER BY class, source LIMIT ?',
  );
  const forgetSightings = db.prepare<[string, string]>('DELETE FROM sightings WHERE class = ? AND source = ?');
  const clearSightings = db.prepare('DELETE FROM sightings');
  return {
    sweep(to, inForce, now) {
      const bound = { to, inForce, overAge: now - KEEP_MS };
      for (const statement of sweeps) statement.run(bound);
    },
    incidents: (after, to, limit) => incidents.all(after, to, limit),
    besides: (incident) => ({ problem: problem.get(incident) ?? null, owned: owned.all(incident) }),
    holds: (after, to, limit) => holds.all(after, to, limit).map(({ released_at, ...row }) => ({ hold: holdOf(row), released_at })),
    policies: (after, limit) => policies.all(after, limit),
    sightings: (after, limit) =>
      sightings.all(after.class, after.source, limit).map((row) => ({ ...row, at: JSON.parse(row.at) as number[] })),
    forgetSightings: (of) => void forgetSightings.run(of.class, of.source),
    clearSightings: () => void clearSightings.run(),
  };
}
