// A write path whose policy knows actuators: the words that they and operators say to it, and what must be true of it after any of them.

import { join } from 'node:path';
import { expect } from 'vitest';
import type { Approval } from '../../src/incident/approval.ts';
import type { Command, ResultStatus } from '../../src/incident/command.ts';
import { statusOf } from '../../src/incident/containment.ts';
import { bindingOf } from '../../src/incident/gate.ts';
import { type Hold, isWanted } from '../../src/incident/hold.ts';
import type { Incident, Kept } from '../../src/incident/incident.ts';
import { readRecord } from '../../src/incident/recorded.ts';
import type { Evidence } from '../../src/incident/report.ts';
import { retell } from '../../src/incident/retell.ts';
import { viewOf } from '../../src/incident/view.ts';
import { isContained } from '../../src/policy/decide.ts';
import type { DecisionRequest } from '../../src/recorder/approvals.ts';
import type { Caller } from '../../src/recorder/caller.ts';
import type { AttestRequest } from '../../src/recorder/gate.ts';
import type { HoldRequest, HoldStep } from '../../src/recorder/hold-steps.ts';
import { createReplay } from '../../src/recorder/replay.ts';
import { openBuilding } from '../../src/store/building.ts';
import { compareStores } from '../../src/store/compare.ts';
import { OPERATOR, type WritePath } from './write-path.ts';

const ALL = Number.MAX_SAFE_INTEGER;

/** One that is asked whether its holds stand, one that says so itself, one that nobody can ask, and one that knows no release. */
export const ACTUATORS = `actuators:
  agent: {actions: [freeze_agent], push: "http://127.0.0.1:1/freeze", deadline: 10s, verify: {every: 30s}}
  registry: {actions: [quarantine_model, force_vault_relock], pull: true, heartbeat: 30s, deadline: 20s}
  firewall: {actions: [block_ip], pull: true, deadline: 20s}
  airlock: {actions: [disable_airlock], push: "http://127.0.0.1:1/disable", dialect: secai, deadline: 10s}
`;

export const FREEZE = 'auto_contain: true, actions: [freeze_agent]';
export const BLOCK = 'auto_contain: true, actions: [{action: block_ip, target: evidence.ip}]';

/** A policy of rules in YAML's flow form by their class; one alone is of prompt_injection. `more` stands above them. */
export function commanding(rules: string | Record<string, string>, more = '', actuators = ACTUATORS): string {
  const all = typeof rules === 'string' ? { prompt_injection: rules } : rules;
  const written = Object.entries(all).map(([name, rule]) => `  ${name}: {${rule}}\n`);
  return `version: 1\n${more}\nrules:\n${written.join('')}${actuators}`;
}

/** The hold of an incident's action, as it is now. */
export function holdOf(path: WritePath, { containment }: Pick<Incident, 'containment'>, n = 0): Hold {
  const hold = path.store.holds.byId(containment.actions[n]?.hold_id ?? '');
  if (!hold) throw new Error(`action ${n} has no hold`);
  return hold;
}

/** Oldest first. */
export function commandsOf({ store }: WritePath, { seq }: Pick<Hold, 'seq'>): Command[] {
  return store.commands.list({ hold: seq }, ALL, 1000).toReversed();
}

/** The last one. */
export function commandOf(path: WritePath, hold: Pick<Hold, 'seq'>): Command {
  const command = path.store.commands.lastOf(hold.seq);
  if (!command) throw new Error('nothing was commanded');
  return command;
}

export function approvalOf({ store }: WritePath, { id }: Pick<Incident, 'id'>): Approval {
  const approval = store.approvals.list(null, ALL, 1000).find(({ incident_id }) => incident_id === id);
  if (!approval) throw new Error(`nothing of ${id} was to be approved`);
  return approval;
}

interface Saying {
  error?: string | null;
  evidence?: Evidence | null;
  /** Whose word it is, when it is not the one that was asked. */
  actuator?: string;
  attempts?: number | null;
}

/** What the actuator of a command says came of it. */
export async function say(path: WritePath, { id, actuator }: Command, status: ResultStatus, more: Saying = {}) {
  const { error = null, evidence = null, attempts = null, actuator: by = actuator } = more;
  const caller: Caller = { name: by, actor: `actuator:${by}` };
  return path.recorder.result(id, { status, error, evidence }, { actuator: by, caller, attempts });
}

/** Reports, and has its first action done. */
export async function enforced(path: WritePath, more: Record<string, unknown> = {}): Promise<{ incident: Incident; hold: Hold }> {
  const { incident } = await path.report(more);
  const hold = holdOf(path, incident);
  if (hold.status === 'requested') await say(path, commandOf(path, hold), 'enforced');
  return { incident: path.incident(incident.id).incident, hold: holdOf(path, incident) };
}

/** What an actuator is found to have in force. */
export async function check(path: WritePath, hold: Hold, stands: boolean, more: { detail?: string; actuator?: string; at?: number } = {}) {
  const { detail = null, actuator = hold.actuator ?? '', at = null } = more;
  await path.recorder.checked(actuator, [{ hold: hold.seq, stands, detail, evidence: null, commanded: at }]);
}

export async function operate(path: WritePath, step: HoldStep, { id }: Pick<Hold, 'id'>, more: Partial<HoldRequest> = {}) {
  const asked = { id, note: null, expires_at: null, ttl_ms: null, caller: OPERATOR, ifMatch: null, mark: null };
  return path.recorder.hold(step, { ...asked, ...more });
}

export async function retry(path: WritePath, { id }: Pick<Command, 'id'>, note: string | null = null) {
  return path.recorder.retry({ id, note, caller: OPERATOR, mark: null });
}

export async function decide(
  path: WritePath,
  { id, digest }: Approval,
  decision: 'approve' | 'reject',
  more: Partial<DecisionRequest> = {},
) {
  return path.recorder.decideApproval({ id, digest, decision, note: null, caller: OPERATOR, mark: null, ...more });
}

/** Of its containment as it is now. */
export async function attest(path: WritePath, id: string, more: Partial<AttestRequest> = {}) {
  const binding = bindingOf(path.incident(id).incident);
  const asked = { id, binding, evidence: { pcr7: 'abc' }, note: null, caller: OPERATOR, ifMatch: null, mark: null };
  return path.recorder.attest({ ...asked, ...more });
}

/** What an incident is called, and how far its containment and each of its actions have come. */
export function shown(path: WritePath, { id }: Pick<Incident, 'id'>): string {
  const { state, containment } = path.incident(id).incident;
  return `${state}: ${containment.status} (${containment.actions.map(({ status }) => status).join(', ')})`;
}

/** Waits until nothing of an earlier change is left to be looked at. */
export async function settled(path: WritePath): Promise<void> {
  while (path.store.settling.next(1).length > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** What must be true of every incident, hold and command whatever has happened. */
export function expectTruth(path: WritePath): void {
  const { store, db, queue } = path;
  const lines = store.records.after(0, ALL, ALL).map(({ line }) => line);
  for (const seq of seqsIn(path, 'incidents')) {
    const kept = store.incidents.bySeq(seq) as Kept;
    const { state, containment } = kept.incident;
    const { actions, reached_at } = containment;
    if (actions.length > 0) {
      expect(containment.status).toBe(statusOf(actions));
      if (state !== 'resolved') expect(reached_at !== null).toBe(isContained(queue.policy, actions));
    }
    if (state === 'open' || state === 'contained') expect(state).toBe(reached_at === null ? 'open' : 'contained');
    const told = store.records.timeline(seq, 0, ALL, ALL).map(({ line }) => readRecord(line));
    const again = told.reduce<Kept | null>(retell, null) as Kept;
    expect([again.version, viewOf(again.incident)]).toEqual([kept.version, viewOf(kept.incident)]);
  }
  for (const seq of seqsIn(path, 'holds')) {
    const hold = store.holds.bySeq(seq) as Hold;
    if (isWanted(hold.status) || hold.released_at !== null)
      expect([hold.id, store.holds.hasOwner(seq)]).toEqual([hold.id, hold.released_at === null]);
    expect([hold.id, hold.ending !== null]).toEqual([hold.id, !isWanted(hold.status)]);
    expect([hold.id, hold.released_at !== null]).toEqual([hold.id, ['released', 'expired'].includes(hold.status)]);
    const underWay = commandsOf(path, hold).filter(({ open, status }) => open || status === 'accepted');
    expect(underWay.length).toBeLessThanOrEqual(1);
    for (const { id, op } of underWay) expect([id, op]).toEqual([id, isWanted(hold.status) ? 'apply' : 'release']);
    if (['requested', 'accepted', 'releasing'].includes(hold.status))
      expect([hold.id, commandsOf(path, hold).length > 0]).toEqual([hold.id, true]);
  }
  for (const command of store.commands.list({}, ALL, 10_000)) {
    expect(readRecord(lines[command.seq - 1] ?? '')).toMatchObject({ type: 'command.requested', data: { command_id: command.id } });
  }
  db.pragma('wal_checkpoint(PASSIVE)');
  expect(compareStores(join(path.dir, 'incidents.db'), toldAnew(path, lines))).toEqual([]);
}

function seqsIn({ db }: WritePath, table: string): number[] {
  return db.prepare<[], number>(`SELECT seq FROM ${table} ORDER BY seq`).pluck().all();
}

let stores = 0;

/** A store that is made out of the log. */
function toldAnew({ dir }: WritePath, lines: readonly string[]): string {
  const path = join(dir, `told-${(stores += 1)}.db`);
  using building = openBuilding(path);
  const replay = createReplay(building);
  building.transaction.begin();
  lines.forEach((line) => replay.take(line));
  expect(replay.finish()).toBe(0);
  building.transaction.commit();
  building.finish();
  return path;
}
