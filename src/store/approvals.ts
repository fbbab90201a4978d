// Approvals as rows: what waits for an operator's word, and what it was.

import type { Approval, ApprovalStatus, Proposal } from '../incident/approval.ts';
import type { Db } from './database.ts';
import { MAX_EXAMINED, type Reach, createReach } from './reach.ts';

type Entry = Omit<Approval, 'outcome'>;

interface Row extends Omit<Entry, 'proposals' | 'escalated'> {
  readonly incident: number;
  readonly proposals: string;
  readonly escalated: number;
}

export interface Approvals {
  byId(id: string): Approval | null;
  /** `incident` by its seq. */
  insert(approval: Entry, incident: number): void;
  decide(approval: number, to: Pick<Approval, 'status' | 'decided_at' | 'decided_by' | 'note'>): void;
  escalate(approval: number): void;
  /** Pending ones whose time is over and of which that was not said yet, the earliest first. */
  due(now: string, limit: number): Approval[];
  /** Pending ones of an incident, oldest first. */
  pendingOf(incident: number): Approval[];
  /** Newest first, before `before`; null = of any status. */
  list(status: readonly ApprovalStatus[] | null, before: number, limit: number): Approval[];
  /** How far a list looks. */
  reach: Reach;
}

export function createApprovals(db: Db): Approvals {
  const byId = db.prepare<[string], Row>('SELECT * FROM approvals WHERE id = ?');
  const insert = db.prepare(INSERT_APPROVAL);
  const decide = db.prepare('UPDATE approvals SET status = ?, decided_at = ?, decided_by = ?, note = ? WHERE seq = ?');
  const escalate = db.prepare<[number]>('UPDATE approvals SET escalated = 1 WHERE seq = ?');
  const due = db.prepare<[string, number], Row>(
    `SELECT * FROM approvals WHERE status = 'pending' AND escalated = 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
  );
  const pendingOf = db.prepare<[number], Row>(`SELECT * FROM approvals WHERE incident = ? AND status = 'pending' ORDER BY seq`);
  const list = db.prepare<
    [object],
    Row
  >(`SELECT * FROM (SELECT * FROM approvals WHERE seq < :before ORDER BY seq DESC LIMIT ${MAX_EXAMINED})
    WHERE :status IS NULL OR status IN (SELECT value FROM json_each(:status)) LIMIT :limit`);
  const outcome = db.prepare<[string], Approval['outcome'][number]>('SELECT id AS hold_id, status, error FROM holds WHERE id = ?');

  const approvalOf = ({ incident: _incident, proposals, escalated, ...row }: Row): Approval => {
    const proposed = JSON.parse(proposals) as Proposal[];
    return { ...row, proposals: proposed, escalated: escalated === 1, outcome: proposed.flatMap(({ hold_id }) => outcome.all(hold_id)) };
  };
  return {
    byId(id) {
      const row = byId.get(id);
      return row ? approvalOf(row) : null;
    },
    insert: (approval, incident) => void insert.run(...approvalValues(approval, incident)),
    decide: (approval, { status, decided_at, decided_by, note }) => void decide.run(status, decided_at, decided_by, note, approval),
    escalate: (approval) => void escalate.run(approval),
    due: (now, limit) => due.all(now, limit).map(approvalOf),
    pendingOf: (incident) => pendingOf.all(incident).map(approvalOf),
    reach: createReach(db, 'approvals'),
    list: (status, before, limit) => list.all({ before, limit, status: status && JSON.stringify(status) }).map(approvalOf),
  };
}

const INSERT_APPROVAL = `INSERT INTO approvals (seq, id, incident, incident_id, status, reason, requested_by, proposals, digest, created_at,
  expires_at, escalated, decided_at, decided_by, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function approvalValues(approval: Entry, incident: number): (string | number | null)[] {
  const { seq, id, incident_id, status, reason, requested_by, proposals, digest, created_at, expires_at, escalated } = approval;
  return [
    ...[seq, id, incident, incident_id, status, reason, requested_by, JSON.stringify(proposals), digest, created_at, expires_at],
    ...[Number(escalated), approval.decided_at, approval.decided_by, approval.note],
  ];
}
