// What of the history is so under any policy: what operators ordered and said, what ended, what was told again when records were pruned. Pure.

import { targetName } from '../incident/actions.ts';
import type { EventType, OrderedAction } from '../incident/events.ts';
import { isRefused } from '../incident/containment.ts';
import { isWanted } from '../incident/hold.ts';
import type { Recorded } from '../incident/recorded.ts';
import type { ReplayedHold, ReplayedHolds } from './replay-holds.ts';
import { type ReplayedIncidents, keepOrdered, keepRefused } from './replay-incidents.ts';
import { keyOf } from './replay-record.ts';

type Of<T extends EventType> = Extract<Recorded, { type: T }>;
type Ordered = Omit<OrderedAction, 'error'>;

/** As the recorder tells of a hold that waited until something ordered it that needs no approval: no operator has said so. */
const WITHOUT_APPROVAL = 'ordered without approval';

/** All but reports, and what their windows were. */
export function follow(record: Recorded, incidents: ReplayedIncidents, holds: ReplayedHolds): void {
  switch (record.type) {
    case 'incident.ordered':
      return adopt(String(record.id), record.data.actions, record.ts, incidents, holds);
    case 'incident.resolved':
      incidents.resolve(String(record.id));
      return holds.resolved();
    case 'incident.kept':
      return keepIncident(record, incidents, holds);
    case 'actions.kept':
      return keepActions(String(record.id), record.data.actions, incidents, holds);
    case 'hold.kept':
      return keepHold(record, holds);
    case 'hold.moved': {
      const { hold, reason } = record.data;
      if (hold.status !== 'awaiting_approval' && reason !== WITHOUT_APPROVAL) holds.approved(String(record.id));
      return;
    }
    case 'hold.extended':
      return holds.extended(String(record.id), endOf(record.data.expires_at), record.data.incident_id === null);
    case 'hold.releasing':
    case 'hold.released':
      return holds.ends(String(record.id), { reason: record.data.reason, failed: isFailed(record), now: Date.parse(record.ts) });
    default:
  }
}

/** The holds that these orders opened, or joined, stand. */
export function stand(holds: ReplayedHolds, actions: readonly Ordered[]): void {
  for (const { hold_id, action, target, status } of actions)
    if (hold_id !== null && isWanted(status)) holds.stands(hold_id, keyOf(action, target), status === 'awaiting_approval');
}

function adopt(id: string, actions: readonly Ordered[], ts: string, incidents: ReplayedIncidents, holds: ReplayedHolds): void {
  const unresolved = incidents.unresolved(id);
  stand(holds, actions);
  for (const ordered of actions) {
    const { action, target, hold_id, status, opens, joined } = ordered;
    if (!unresolved || !isWanted(status)) continue;
    const key = keyOf(action, target);
    const by = { rule: unresolved.class, source: unresolved.source, owner: id, waiting: status === 'awaiting_approval', ts };
    const hold = hold_id === null ? null : order(holds, key, { ...by, expires_at: joined ? ts : (opens?.expires_at ?? null) });
    if (unresolved.now) keepOrdered(unresolved.now, key, hold);
    if (unresolved.now && isRefused(ordered)) keepRefused(unresolved.now, action);
  }
}

interface Anyhow {
  readonly rule: string;
  readonly source: string;
  readonly owner: string;
  readonly waiting: boolean;
  readonly expires_at: string | null;
  readonly ts: string;
}

/** By an operator, or long before: whatever the candidate's rules bound. */
function order(holds: ReplayedHolds, key: string, { ts, expires_at, waiting, ...by }: Anyhow): ReplayedHold | null {
  const now = Date.parse(ts);
  const ttl_ms = expires_at === null ? null : Date.parse(expires_at) - now;
  return holds.order({ key, ...by, max_holds: Infinity, now, ttl_ms, approval: waiting, adopted: true });
}

/** One of which nothing that was read has told yet. */
function keepIncident({ data: { incident } }: Of<'incident.kept'>, incidents: ReplayedIncidents, holds: ReplayedHolds): void {
  const { id, state, last_seen_at, reported_by, containment, occurrences } = incident;
  if (state === 'resolved' || incidents.isOpen(id)) return;
  incidents.begin(id, incident);
  incidents.place(incident, reported_by, id, Date.parse(last_seen_at)).incident.occurrences = occurrences;
  keepActions(id, containment.actions, incidents, holds);
}

/** The holds that are left of them were told of before. */
function keepActions(id: string, actions: readonly Ordered[], incidents: ReplayedIncidents, holds: ReplayedHolds): void {
  const incident = incidents.unresolved(id)?.now;
  if (!incident) return;
  for (const action of actions.filter(({ status }) => isWanted(status))) {
    keepOrdered(incident, keyOf(action.action, action.target), action.hold_id === null ? null : holds.owned(action.hold_id, id));
    if (isRefused(action)) keepRefused(incident, action.action);
  }
}

function keepHold({ ts, data: { hold } }: Of<'hold.kept'>, holds: ReplayedHolds): void {
  if (!isWanted(hold.status)) return;
  const key = keyOf(hold.action, targetName(hold.target));
  const waiting = hold.status === 'awaiting_approval';
  holds.stands(hold.id, key, waiting);
  order(holds, key, { rule: hold.rule, source: hold.source, owner: hold.incident_id, waiting, expires_at: hold.expires_at, ts });
}

function endOf(expires_at: string | null): number {
  return expires_at === null ? Infinity : Date.parse(expires_at);
}

/** An approval was refused, or not given in time. */
function isFailed({ data }: Of<'hold.releasing' | 'hold.released'>): boolean {
  return 'status' in data && data.status === 'failed';
}
