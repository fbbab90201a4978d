// The write path without its doors: a real store, the queue and the recorder, in a folder of their own and with a clock that is handed in.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Log, createLog } from '../../src/log.ts';
import type { RequestMark } from '../../src/incident/events.ts';
import type { Kept } from '../../src/incident/incident.ts';
import type { StepName } from '../../src/incident/lifecycle.ts';
import { parseReport } from '../../src/incident/report-reading.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Caller } from '../../src/recorder/caller.ts';
import { createBell } from '../../src/recorder/bell.ts';
import { type Due, createDue } from '../../src/recorder/due.ts';
import { type Queue, type QueueParts, createQueue } from '../../src/recorder/queue.ts';
import { type Room, createRoom } from '../../src/recorder/room.ts';
import { type Recorder, createRecorder } from '../../src/recorder/recorder.ts';
import type { Reported } from '../../src/recorder/judged.ts';
import type { Changed, StepRequest } from '../../src/recorder/incident-change.ts';
import { openReserve } from '../../src/store/reserve.ts';
import type { Transaction } from '../../src/store/store.ts';
import { type Store, openStore } from '../../src/store/store.ts';
import { type AuditRecord, aReport, createClock } from './house.ts';

const REPORTER: Caller = { name: 'firewall', actor: 'reporter:firewall' };
export const OPERATOR: Caller = { name: 'alice', actor: 'operator:alice' };

export interface WritePath extends Disposable {
  readonly dir: string;
  readonly store: Store;
  readonly queue: Queue;
  readonly room: Room;
  /** What a start and each second do. */
  readonly due: Due;
  readonly recorder: Recorder;
  readonly log: Log;
  readonly clock: ReturnType<typeof createClock>;
  /** What was logged on stdout, parsed. */
  readonly logged: { level: string; message: string; [field: string]: unknown }[];
  /** A second connection to the database, for looking at tables and for setting them up. */
  readonly db: Database.Database;
  report(more?: Record<string, unknown>, by?: { caller?: Caller; mark?: RequestMark }): Promise<Reported>;
  step(step: StepName, id: string, more?: Partial<StepRequest>): Promise<Changed>;
  note(id: string, note: string, more?: Partial<StepRequest>): Promise<Changed>;
  /** What is kept of an incident now. */
  incident(id: string): Kept;
  /** Every record of the audit log, or of one type. */
  records(type?: string): AuditRecord[];
  /** Puts a policy in force, as a reload does. */
  adopt(policy: string): Promise<void>;
  /** Closes the store and opens all anew on the same folder, under the policy that was given first unless another is. */
  restart(policy?: string): void;
}

export interface WritePathOptions {
  /** Text of a policy file; none = the built-in table. */
  policy?: string | undefined;
  maxBytes?: number;
  /** Of the reserve, which nobody builds unless the test does; 0 unless another size is given. */
  reserveBytes?: number;
  onCommit?: () => void;
  onBroken?: QueueParts['onBroken'];
  /** The transaction that the queue is given instead of the store's own. */
  around?: (transaction: Transaction) => Transaction;
}

export function openWritePath({
  policy,
  maxBytes = 2 ** 31,
  reserveBytes = 0,
  around = (own) => own,
  ...options
}: WritePathOptions = {}): WritePath {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  const path = join(dir, 'incidents.db');
  const clock = createClock();
  const logged: WritePath['logged'] = [];
  const log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(JSON.parse(line)) });
  const open = (text: string | undefined) => openOn(path, { policy: text, maxBytes, reserveBytes, around, clock, log, ...options });
  let parts = open(policy);
  let db: Database.Database | null = null;
  const request = (id: string, more: Partial<StepRequest>): StepRequest => ({
    ...{ id, note: null, resolution: null, caller: OPERATOR, ifMatch: null, mark: null },
    ...more,
  });
  const close = () => {
    parts.due.close();
    db?.close();
    db = null;
    parts.store.close();
  };
  return {
    ...{ dir, log, clock, logged },
    get store() {
      return parts.store;
    },
    get queue() {
      return parts.queue;
    },
    get room() {
      return parts.room;
    },
    get due() {
      return parts.due;
    },
    get recorder() {
      return parts.recorder;
    },
    get db() {
      return (db ??= new Database(path));
    },
    report: async (more = {}, { caller = REPORTER, mark } = {}) => parts.recorder.report(parseReport(aReport(more)), caller, mark ?? null),
    step: async (step, id, more = {}) => parts.recorder.step(step, request(id, more)),
    note: async (id, note, more = {}) => parts.recorder.note({ ...request(id, more), note }),
    incident(id) {
      const kept = parts.store.incidents.byId(id);
      if (!kept) throw new Error(`${id} is not kept`);
      return kept;
    },
    records(type) {
      const all = parts.store.records.after(0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      const parsed = all.map(({ line }) => JSON.parse(line) as AuditRecord);
      return type === undefined ? parsed : parsed.filter((record) => record.type === type);
    },
    async adopt(text) {
      await parts.recorder.adopt(parsePolicy('policy.yaml', text), [], OPERATOR, null);
    },
    restart(text = policy) {
      close();
      parts = open(text);
    },
    [Symbol.dispose]() {
      close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface OpenOptions extends WritePathOptions {
  clock: Pick<ReturnType<typeof createClock>, 'now' | 'monotonic'>;
  log: Log;
}

/** The write path on a database that is there, or is made. Its store is to be closed, and what is due stopped. */
export function openOn(
  path: string,
  { policy, maxBytes = 2 ** 31, reserveBytes = 0, around = (own) => own, clock, log, ...options }: OpenOptions,
) {
  const bell = createBell();
  const reserve = openReserve(`${path}.reserve`, reserveBytes);
  const store = openStore(path, reserve);
  const room = createRoom({ reserve, usedBytes: store.usedBytes(), maxBytes, log });
  const queue = createQueue({
    store: { ...store, transaction: around(store.transaction) },
    policy: policy === undefined ? builtInPolicy() : parsePolicy('policy.yaml', policy),
    now: clock.now,
    monotonic: clock.monotonic,
    bell,
    room,
    onCommit: options.onCommit ?? (() => {}),
    onBroken:
      options.onBroken ??
      ((error) => {
        throw error;
      }),
  });
  const due = createDue({ queue, store, bell, triedOf: () => null, log, now: clock.now });
  return { store, queue, room, due, recorder: createRecorder({ queue, log }) };
}

/** A policy of one rule for prompt_injection, written as YAML's flow form; `more` stands above the rules. */
export function aPolicy(rule: string, more = ''): string {
  return `version: 1\n${more}\nrules:\n  prompt_injection: {${rule}}\n`;
}
