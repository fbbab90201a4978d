// What pruning asks of the tables: what is to be told again because its records go, and the sweeping itself.

import type { Approval } from '../incident/approval.ts';
import type { Command } from '../incident/command.ts';
import type { Ownership, Sighted } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import { type Approvals, createApprovals } from './approvals.ts';
import { type Commands, createCommands } from './commands.ts';
import type { Db } from './database.ts';
import { type HoldRow, holdOf } from './hold-row.ts';
import { KEEP_MS } from './requests.ts';

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
  /** What is kept of an incident beside itself; `version` is the seq of the last record that was about it and not about a hold. */
  besides(incident: number): { problem: string | null; version: number; owned: Ownership[] };
  holds(after: number, to: number, limit: number): Hold[];
  /** Of holds up to `to`, by their seqs. */
  commands(after: number, to: number, limit: number): Command[];
  /** Of incidents up to `to`, by their seqs. */
  approvals(after: number, to: number, limit: number): Approval[];
  policies(after: string, limit: number): { sha256: string; text: string }[];
  sightings(after: Pick<Sighted, 'class' | 'source'>, limit: number): Sighted[];
  forgetSightings(of: Pick<Sighted, 'class' | 'source'>): void;
  clearSightings(): void;
}

const GONE = `SELECT seq FROM incidents WHERE seq <= :to AND state = 'resolved' AND version <= :to
  AND NOT EXISTS (SELECT 1 FROM records r WHERE r.about = incidents.seq AND r.seq > :to)
  AND NOT EXISTS (SELECT 1 FROM approvals p WHERE p.incident = incidents.seq AND p.status = 'pending')
  AND NOT EXISTS (SELECT 1 FROM incident_actions a WHERE a.incident = incidents.seq AND a.hold IS NOT NULL AND (a.ended = 0 OR a.ended > :to))`;

type Owned = Omit<Ownership, 'of'> & NonNullable<Ownership['of']>;

export function createPruning(db: Db): Pruning {
  const commands: Pick<Commands, 'bySeq'> = createCommands(db);
  const approvals: Pick<Approvals, 'byId'> = createApprovals(db);
  const sweeps = [
    `DELETE FROM evidence WHERE incident IN (${GONE})`,
    `DELETE FROM incident_actions WHERE incident IN (${GONE})`,
    `DELETE FROM incidents WHERE seq IN (${GONE})`,
    `DELETE FROM approvals WHERE status <> 'pending' AND incident NOT IN (SELECT seq FROM incidents)`,
    `DELETE FROM holds WHERE released_at IS NOT NULL AND version <= :to AND seq NOT IN (SELECT hold FROM incident_actions WHERE hold IS NOT NULL)`,
    'DELETE FROM commands WHERE hold NOT IN (SELECT seq FROM holds)',
    `DELETE FROM policies WHERE sha256 <> :inForce AND sha256 NOT IN (SELECT details ->> '$.decided_by.policy_sha256' FROM incidents)`,
    'DELETE FROM requests WHERE seq <= :to OR at <= :overAge',
    'DELETE FROM records WHERE seq <= :to',
  ].map((sql) => db.prepare<[object]>(sql));
  const incidents = db
    .prepare<[number, number, number], number>('SELECT seq FROM incidents WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?')
    .pluck();
  const besides = db.prepare<[number], { problem: string | null; version: number }>('SELECT problem, version FROM incidents WHERE seq = ?');
  const owned = db.prepare<[number], Owned>(
    'SELECT hold, status, actuator, attempts, error, completed_at, began, ended FROM incident_actions WHERE incident = ? ORDER BY n',
  );
  const holds = db.prepare<[number, number, number], HoldRow>('SELECT * FROM holds WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?');
  const commandsOf = db
    .prepare<[number, number, number], number>('SELECT seq FROM commands WHERE seq > ? AND hold <= ? ORDER BY seq LIMIT ?')
    .pluck();
  const approvalsOf = db
    .prepare<[number, number, number], string>('SELECT id FROM approvals WHERE seq > ? AND incident <= ? ORDER BY seq LIMIT ?')
    .pluck();
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
    besides(incident) {
      const { problem, version } = besides.get(incident) ?? { problem: null, version: 0 };
      return { problem, version, owned: owned.all(incident).map(ownershipOf) };
    },
    holds: (after, to, limit) => holds.all(after, to, limit).map(holdOf),
    commands: (after, to, limit) => commandsOf.all(after, to, limit).flatMap((seq) => commands.bySeq(seq) ?? []),
    approvals: (after, to, limit) => approvalsOf.all(after, to, limit).flatMap((id) => approvals.byId(id) ?? []),
    policies: (after, limit) => policies.all(after, limit),
    sightings: (after, limit) =>
      sightings.all(after.class, after.source, limit).map((row) => ({ ...row, at: JSON.parse(row.at) as number[] })),
    forgetSightings: (of) => void forgetSightings.run(of.class, of.source),
    clearSightings: () => void clearSightings.run(),
  };
}

function ownershipOf({ hold, status, began, ended, ...of }: Owned): Ownership {
  return { hold, status, of, began, ended };
}
