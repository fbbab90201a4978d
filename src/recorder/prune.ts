// Letting the oldest records go: what they made and is still needed is told again by new ones, all in one change.

import { rootOf } from '../audit/merkle.ts';
import { RecorderError } from '../errors.ts';
import type { ActionState } from '../incident/containment.ts';
import type { Ownership, Sighted } from '../incident/events.ts';
import type { Incident, Receipt } from '../incident/incident.ts';
import type { Caller } from './caller.ts';
import type { Change, Draft } from './draft.ts';

export interface Prune {
  /** The last record that goes. */
  readonly to: number;
  readonly by: Caller;
}

const PAGE = 500;
/** Of sightings, each of which may tell of a thousand reports: a record of them stays under 1 MiB. */
const SIGHTINGS_PAGE = 50;
/** JSON of the actions that one record tells of; with the report beside it that stays under 1 MiB too. */
const MAX_ACTIONS_LENGTH = 256 * 1024;

/**
 * Records up to `to` go, and so do the incidents that were resolved by then. A checkpoint that covers them should be with somebody else.
 * @returns the receipt of `log.pruned`
 * @throws RecorderError "invalid_parameter" when there is no such record, or not all of it is durable in the log file and more behind it
 */
export function pruneChange({ to, by }: Prune): Change<Receipt> {
  return (draft) => {
    const { records, meta, tree, pruning } = draft;
    const from = records.first();
    const end = Math.min(records.head().seq, meta.synced().seq);
    if (!Number.isSafeInteger(to) || to < from || to >= end)
      throw new RecorderError('invalid_parameter', `records can be pruned up to one of ${from} to ${end - 1}, not up to ${to}`);
    const { sha256 } = draft.policy;
    const pruned = tree.at(to);
    tree.keepLeaves(to);
    pruning.sweep(to, sha256, Date.parse(draft.now));
    keepPolicies(draft, by);
    keepHolds(draft, to, by);
    keepCommands(draft, to, by);
    keepIncidents(draft, to, by);
    keepApprovals(draft, to, by);
    keepSightings(draft, by);
    return draft.record('log.pruned', null, by.actor, {
      ...{ from, to, root: rootOf(pruned), hashes: pruned.hashes },
      public_key: meta.verifierKey(),
      policy_sha256: sha256,
    });
  };
}

function keepPolicies(draft: Draft, { actor }: Caller): void {
  const page = (after: string) => draft.pruning.policies(after, 1);
  for (let [policy] = page(''); policy; [policy] = page(policy.sha256)) draft.record('policy.kept', null, actor, policy);
}

function keepHolds(draft: Draft, to: number, { actor }: Caller): void {
  for (let after = 0, page = draft.pruning.holds(after, to, PAGE); page.length > 0; page = draft.pruning.holds(after, to, PAGE)) {
    for (const hold of page) {
      const { id, seq } = hold;
      draft.record('hold.kept', { id, about: seq }, actor, { hold });
      after = seq;
    }
  }
}

/** Of the holds that were told again. */
function keepCommands(draft: Draft, to: number, { actor }: Caller): void {
  for (let after = 0, page = draft.pruning.commands(after, to, PAGE); page.length > 0; page = draft.pruning.commands(after, to, PAGE)) {
    for (const command of page) {
      draft.record('command.kept', { id: command.hold_id, about: command.hold }, actor, { command });
      after = command.seq;
    }
  }
}

/** Of the incidents that were told again. */
function keepApprovals(draft: Draft, to: number, { actor }: Caller): void {
  for (let after = 0, page = draft.pruning.approvals(after, to, PAGE); page.length > 0; page = draft.pruning.approvals(after, to, PAGE)) {
    for (const approval of page) {
      const incident = draft.incidents.byId(approval.incident_id)?.incident.audit.seq;
      if (incident === undefined) throw new Error(`approval ${approval.id} is of no incident that is kept`);
      draft.record('approval.kept', { id: approval.incident_id, about: incident }, actor, { approval, incident });
      after = approval.seq;
    }
  }
}

function keepIncidents(draft: Draft, to: number, by: Caller): void {
  for (let after = 0, page = draft.pruning.incidents(after, to, PAGE); page.length > 0; page = draft.pruning.incidents(after, to, PAGE)) {
    for (const seq of page) {
      keepIncident(draft, seq, by);
      after = seq;
    }
  }
}

function keepIncident(draft: Draft, seq: number, { actor }: Caller): void {
  const kept = draft.incidents.bySeq(seq);
  if (!kept) throw new Error(`incident ${seq} is listed but not kept`);
  const { incident } = kept;
  const { problem, version, owned } = draft.pruning.besides(seq);
  const subject = { id: incident.id, about: seq };
  const [first = { n: 0, actions: [], owned: [] }, ...more] = partsOf(incident, owned);
  draft.record('incident.kept', subject, actor, {
    incident: { ...incident, containment: { ...incident.containment, actions: first.actions } },
    ...{ version, last: kept.version, problem, owned: first.owned },
  });
  for (const part of more) draft.record('actions.kept', subject, actor, { incident: seq, ...part });
}

/** As many of an incident's actions as one record tells of: those that its targets, which reporters name, do not make too long. */
interface Part {
  /** The number of its first action. */
  readonly n: number;
  readonly actions: ActionState[];
  readonly owned: Ownership[];
}

function partsOf({ containment }: Incident, owned: readonly Ownership[]): Part[] {
  const parts: Part[] = [];
  let room = 0;
  containment.actions.forEach((action, n) => {
    const length = JSON.stringify([action, owned[n]]).length;
    if (length > room) {
      parts.push({ n, actions: [], owned: [] });
      room = MAX_ACTIONS_LENGTH;
    }
    room -= length;
    parts.at(-1)?.actions.push(action);
    parts.at(-1)?.owned.push(...owned.slice(n, n + 1));
  });
  return parts;
}

/** What the policy in force can still count; the rest is forgotten. */
function keepSightings(draft: Draft, { actor }: Caller): void {
  let after = { class: '', source: '' };
  let first = true;
  for (;;) {
    const page = draft.pruning.sightings(after, SIGHTINGS_PAGE);
    const sightings = page.map((sighted) => countable(draft, sighted)).filter(({ at }) => at.length > 0);
    if (first || sightings.length > 0) draft.record('sightings.kept', null, actor, { first, sightings });
    first = false;
    const last = page.at(-1);
    if (!last) return;
    after = last;
  }
}

function countable(draft: Draft, sighted: Sighted): Sighted {
  const rule = draft.policy.rules.get(sighted.class)?.escalate;
  const now = Date.parse(draft.now);
  const at = rule ? sighted.at.filter((seen) => now - seen <= rule.window_ms) : [];
  if (at.length > 0) draft.sightings.keep(sighted.class, sighted.source, at);
  else draft.pruning.forgetSightings(sighted);
  return { ...sighted, at };
}
