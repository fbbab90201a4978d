// Commands as rows: the outbox. What is open is still to be delivered, in the order of its seq.

import type { Command, CommandStatus } from '../incident/command.ts';
import type { Target } from '../incident/actions.ts';
import { COLUMNS, type CommandEntry, type CommandRow, commandOf, entryOf, jsonOf } from './command-row.ts';
import type { Db } from './database.ts';
import { MAX_EXAMINED, type Reach, createReach } from './reach.ts';

/** What can become of a command. */
type CommandChange = Pick<Command, 'status' | 'overdue' | 'open' | 'attempts' | 'error' | 'evidence' | 'late' | 'completed_at'>;

/** When a command may be sent, and when it is overdue, in monotonic milliseconds of this run of the service. */
interface Guard {
  readonly free_at: number;
  readonly late_at: number;
}

interface CommandFilter {
  readonly actuator?: string | null;
  readonly status?: readonly CommandStatus[] | null;
  /** By its seq. */
  readonly hold?: number | null;
}

export interface Commands {
  byId(id: string): Command | null;
  bySeq(seq: number): Command | null;
  /** Without a guard it waits for the next run. */
  insert(command: CommandEntry, guard?: Guard | null): void;
  change(command: number, to: CommandChange): void;
  /** What is to be delivered to an actuator now, behind `after`, oldest first. */
  open(actuator: string, after: number, limit: number): Command[];
  /** The first behind `after` that must not be delivered to an actuator yet: its seq, or null. */
  heldBack(actuator: string, after: number): number | null;
  /** Commands of a hold that have no end yet, or are overdue and still tried; oldest first. */
  openOf(hold: number): Command[];
  /** The last command of a hold. */
  lastOf(hold: number): Command | null;
  /** When an action was last commanded on a target; null = never. */
  lastApplied(action: string, target: Target): string | null;
  /** Those that were not to be sent yet, and are now; to be freed. */
  ripe(monotonic: number, limit: number): Command[];
  free(command: number): void;
  /** Those without an end whose time is over, the earliest first. */
  due(monotonic: number, limit: number): Command[];
  /** A new run: what is unfinished has as long as the wall clock says, but no longer than it had at first. */
  rebase(now: string, monotonic: number): void;
  /** Newest first, before `before`; those of all holds no further than `reach`. */
  list(filter: CommandFilter, before: number, limit: number): Command[];
  reach: Reach;
  /** Whether some command had no end in time and is still tried. */
  hasOverdue(): boolean;
}

const SELECT = `${COLUMNS} FROM commands c JOIN holds h ON h.seq = c.hold WHERE`;

export function createCommands(db: Db): Commands {
  const byId = db.prepare<[string], CommandRow>(`${SELECT} c.id = ?`);
  const bySeq = db.prepare<[number], CommandRow>(`${SELECT} c.seq = ?`);
  const insert = db.prepare(`INSERT INTO commands (seq, id, op, hold, incident_id, actuator, reason, status, overdue, open, created_at,
    not_before, deadline_at, attempts, error, evidence, late, completed_at, held, free_at, late_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const change = db.prepare(
    'UPDATE commands SET status = ?, overdue = ?, open = ?, attempts = ?, error = ?, evidence = ?, late = ?, completed_at = ? WHERE seq = ?',
  );
  const open = db.prepare<[string, number, number], CommandRow>(
    `${SELECT} c.open = 1 AND c.held = 0 AND c.actuator = ? AND c.seq > ? ORDER BY c.seq LIMIT ?`,
  );
  const heldBack = db
    .prepare<[string, number], number | null>('SELECT min(seq) FROM commands WHERE open = 1 AND held = 1 AND actuator = ? AND seq > ?')
    .pluck();
  const openOf = db.prepare<[number], CommandRow>(`${SELECT} c.hold = ? AND (c.open = 1 OR c.status = 'accepted') ORDER BY c.seq`);
  const lastOf = db.prepare<[number], CommandRow>(`${SELECT} c.hold = ? ORDER BY c.seq DESC LIMIT 1`);
  const lastApplied = db
    .prepare<[string, string, string], string | null>(
      // Of the last few holds of it: those before them were commanded earlier.
      `SELECT max(c.created_at) FROM (SELECT seq FROM holds WHERE action = ? AND target_type = ? AND target_id = ? ORDER BY seq DESC LIMIT 8) h
       JOIN commands c ON c.hold = h.seq WHERE c.op = 'apply'`,
    )
    .pluck();
  const ripe = db.prepare<[number, number], CommandRow>(
    `${SELECT} c.open = 1 AND c.held = 1 AND c.free_at <= ? ORDER BY c.free_at LIMIT ?`,
  );
  const free = db.prepare<[number]>('UPDATE commands SET held = 0 WHERE seq = ?');
  const due = db.prepare<[number, number], CommandRow>(
    `${SELECT} c.status IN ('pending', 'accepted') AND c.late_at <= ? ORDER BY c.late_at LIMIT ?`,
  );
  const rebase = ['commands_late', 'commands_held'].map((index) =>
    db.prepare(`UPDATE commands INDEXED BY ${index} SET free_at = ${leftOf('not_before')}, late_at = ${leftOf('deadline_at')}
      WHERE ${index === 'commands_late' ? `status IN ('pending', 'accepted')` : 'open = 1 AND held = 1'}`),
  );
  const filtered = `(:actuator IS NULL OR c.actuator = :actuator) AND (:status IS NULL OR c.status IN (SELECT value FROM json_each(:status)))`;
  // CROSS: the commands in their order, each with its hold.
  const list = db.prepare<
    [object],
    CommandRow
  >(`${COLUMNS} FROM (SELECT * FROM commands WHERE seq < :before ORDER BY seq DESC LIMIT ${MAX_EXAMINED}) c
    CROSS JOIN holds h ON h.seq = c.hold WHERE ${filtered} LIMIT :limit`);
  const listOf = db.prepare<[object], CommandRow>(
    `${SELECT} c.hold = :hold AND c.seq < :before AND ${filtered} ORDER BY c.seq DESC LIMIT :limit`,
  );
  const anyOverdue = db.prepare<[], number>('SELECT 1 FROM commands WHERE open = 1 AND overdue = 1 LIMIT 1').pluck();
  const one = (row: CommandRow | undefined) => (row ? commandOf(row) : null);
  return {
    byId: (id) => one(byId.get(id)),
    bySeq: (seq) => one(bySeq.get(seq)),
    insert: (command, guard = null) =>
      void insert.run(
        ...entryOf(command),
        ...[Number(command.not_before > command.created_at), guard?.free_at ?? null, guard?.late_at ?? null],
      ),
    change: (command, { status, overdue, open: isOpen, attempts, error, evidence, late, completed_at }) =>
      void change.run(status, Number(overdue), Number(isOpen), attempts, error, jsonOf(evidence), late, completed_at, command),
    open: (actuator, after, limit) => open.all(actuator, after, limit).map(commandOf),
    heldBack: (actuator, after) => heldBack.get(actuator, after) ?? null,
    openOf: (hold) => openOf.all(hold).map(commandOf),
    lastOf: (hold) => one(lastOf.get(hold)),
    lastApplied: (action, { type, id }) => lastApplied.get(action, type, id) ?? null,
    ripe: (monotonic, limit) => ripe.all(monotonic, limit).map(commandOf),
    free: (command) => void free.run(command),
    due: (monotonic, limit) => due.all(monotonic, limit).map(commandOf),
    rebase: (now, monotonic) => rebase.forEach((statement) => void statement.run({ now, monotonic })),
    list({ actuator = null, hold = null, status = null }, before, limit) {
      const filter = { before, limit, actuator, status: status && JSON.stringify(status) };
      return (hold === null ? list.all(filter) : listOf.all({ ...filter, hold })).map(commandOf);
    },
    reach: createReach(db, 'commands'),
    hasOverdue: () => anyOverdue.get() !== undefined,
  };
}

/** How much of its time is left at a start, put onto the monotonic clock: clocks are set meanwhile, and nothing has longer than at first. */
function leftOf(instant: string): string {
  const since = (from: string) => `unixepoch(${instant}, 'subsec') - unixepoch(${from}, 'subsec')`;
  return `:monotonic + max(0, min(${since(':now')}, ${since('created_at')})) * 1000`;
}
