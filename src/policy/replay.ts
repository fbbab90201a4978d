// A candidate policy against the recorded history: each report decided again, with windows, incidents and holds of its own. Pure.

import { isAction, isOurs, targetNamed } from '../incident/actions.ts';
import type { EventType } from '../incident/events.ts';
import type { Recorded } from '../incident/recorded.ts';
import type { Report } from '../incident/report.ts';
import { type Decision, type Wanted, decide, decideOwn, nameOf } from './decide.ts';
import { escalation } from './escalate.ts';
import type { Policy } from './policy.ts';
import { protectionsOf } from './protect.ts';
import { follow, stand } from './replay-history.ts';
import { type HoldOrder, createReplayedHolds } from './replay-holds.ts';
import { type ReplayedIncident, createReplayedIncidents, keepOrdered, keepRefused } from './replay-incidents.ts';
import { createMemory } from './replay-memory.ts';
import { type Fate, type Order, type Tally, createReplayTally } from './replay-tally.ts';
import { ALERT, type Reported, fateOf, keyOf } from './replay-record.ts';

type Of<T extends EventType> = Extract<Recorded, { type: T }>;

/** Most that is remembered of each kind at the same time; what is known for longest is forgotten first. */
export interface Bounds {
  readonly incidents: number;
  readonly holds: number;
  readonly windows: number;
  readonly targets: number;
}

export interface Replayed extends Tally {
  readonly policy_sha256: string;
  /** Reports that joined an incident whose beginning was not read: they count in windows of escalation, and nowhere else. */
  readonly unjudged: number;
  /** How much was forgotten for want of memory: where it is not 0, what is told is near the truth, and not exact. */
  readonly forgotten: Readonly<Record<keyof Bounds, number>>;
}

export interface PolicyReplay {
  /** The next record, in the order of the log; those whose type is not in REPLAYED may be left out. */
  take(record: Recorded): void;
  outcome(): Replayed;
}

/** The types of records that a replay looks at. */
export const REPLAYED: ReadonlySet<string> = new Set<EventType>([
  ...(['incident.reported', 'incident.joined', 'incident.ordered', 'incident.resolved', 'incident.kept', 'actions.kept'] as const),
  ...(['hold.moved', 'hold.extended', 'hold.releasing', 'hold.released', 'hold.kept', 'sightings.kept'] as const),
]);

type OrderFor = Pick<HoldOrder, 'rule' | 'source' | 'max_holds' | 'owner' | 'now'>;

const NOT_TAKEN: Fate = { how: 'not_taken', severity: null, orders: [] };

export function createPolicyReplay(policy: Policy, bounds: Bounds): PolicyReplay {
  const tally = createReplayTally(bounds.targets);
  const incidents = createReplayedIncidents(policy, bounds.incidents, () => holds.resolved());
  const holds = createReplayedHolds(bounds.holds, incidents.isOpen);
  const windows = createMemory<readonly number[]>(bounds.windows);
  let unjudged = 0;

  function judge(record: Reported): void {
    const { seq, data } = record;
    const id = String(record.id);
    const { report, decided_by } = data;
    stand(holds, data.actions);
    const own = decided_by.severity_from === 'recorder';
    const isKnown = policy.classes.has(report.class);
    const escalating = !own && isKnown && sight(report, Date.parse(record.ts));
    if (record.type === 'incident.reported') incidents.begin(id, report);
    else if (!incidents.isOpen(id)) return void (unjudged += 1);
    const was = fateOf(record);
    const by = (occurrences: number) =>
      own ? decideOwn(policy, report, data.severity) : decide(policy, report, { escalating, occurrences });
    tally.compare({ seq, id, class: report.class }, was, isKnown ? again(record, id, by) : NOT_TAKEN);
    for (const order of was.orders) if (order.as === 'ordered' || order.as === 'approval') hit(order, 'was');
  }

  /** Counts a report in the candidate's window; true when it is one too many. */
  function sight({ class: className, source }: Report, now: number): boolean {
    const rule = policy.rules.get(className)?.escalate;
    if (!rule) return false;
    const key = windowOf(className, source);
    const { sightings, reached } = escalation(rule, windows.get(key) ?? [], now);
    windows.set(key, sightings);
    return reached;
  }

  /** What the candidate makes of a report, and what that makes of its incidents and holds. */
  function again({ ts, data }: Reported, id: string, by: (occurrences: number) => Decision): Fate {
    const now = Date.parse(ts);
    const { incident, joins, isNew } = incidents.place(data.report, data.reported_by, id, now);
    if (joins && isNew) holds.own([...incident.ordered.values()], id);
    const decision = by(incident.occurrences);
    const order = { rule: data.report.class, source: data.report.source, max_holds: decision.max_holds, owner: id, now };
    const orders = decision.actions.filter((wanted) => !isOrdered(wanted, incident, now)).map((wanted) => orderOf(wanted, incident, order));
    const alerts = !joins && decision.alert && !orders.some(({ action }) => action === ALERT.action);
    return { how: joins ? 'joined' : 'new', severity: decision.severity, orders: alerts ? [...orders, ALERT] : orders };
  }

  /** Whether its incident has ordered it already; what needs no approval this time does not wait for one any more. */
  function isOrdered(wanted: Wanted, { ordered }: ReplayedIncident, now: number): boolean {
    const key = keyOf(wanted.action, nameOf(wanted));
    const hold = ordered.get(key);
    if (hold === undefined || (hold && holds.isOver(key, hold, now))) return false;
    if (hold && wanted.approval === null && !wanted.refused) hold.waiting = false;
    return true;
  }

  function orderOf(wanted: Wanted, incident: ReplayedIncident, by: OrderFor): Order {
    const { action, approval, refused, ttl_ms } = wanted;
    const target = nameOf(wanted);
    const key = keyOf(action, target);
    hit({ action, target }, 'now');
    if (refused) return refuse(incident, key, { action, target, as: refused.reason });
    if (isOurs(action)) {
      keepOrdered(incident, key, null);
      return { action, target, as: 'ordered' };
    }
    const hold = holds.order({ key, ...by, ttl_ms: ttl_ms[0] ?? null, approval: approval !== null, adopted: false });
    if (!hold) return refuse(incident, key, { action, target, as: 'limit' });
    keepOrdered(incident, key, hold);
    return { action, target, as: hold.waiting ? 'approval' : 'ordered' };
  }

  /** What was refused once is not kept again: an incident does not grow with what is sent. */
  function refuse(incident: ReplayedIncident, key: string, order: Order): Order {
    if (!incident.refused.includes(order.action)) keepOrdered(incident, key, null);
    keepRefused(incident, order.action);
    return order;
  }

  /** Notes what the candidate protects and was, or would be, acted on. */
  function hit({ action, target }: { action: string; target: string }, side: 'was' | 'now'): void {
    const named = isAction(action) ? targetNamed(target) : null;
    const found = isAction(action) && named ? protectionsOf(policy.protect, action, named) : [];
    const with_approval = found.every((each) => each.with_approval);
    if (found.length > 0) tally.hit({ action, target }, side, with_approval);
  }

  /** What was counted before the first record that is left; of what both know, the longer is the one that knows more. */
  function keepSightings({ data }: Of<'sightings.kept'>): void {
    for (const { class: className, source, at } of data.sightings) {
      const key = windowOf(className, source);
      if (policy.rules.get(className)?.escalate && at.length > (windows.get(key)?.length ?? 0)) windows.set(key, at);
    }
  }

  return {
    take(record) {
      switch (record.type) {
        case 'incident.reported':
        case 'incident.joined':
          return judge(record);
        case 'sightings.kept':
          return keepSightings(record);
        default:
          return follow(record, incidents, holds);
      }
    },
    outcome: () => ({
      ...tally.outcome(),
      ...{ policy_sha256: policy.sha256, unjudged },
      forgotten: { incidents: incidents.forgotten, holds: holds.forgotten, windows: windows.forgotten, targets: tally.forgotten },
    }),
  };
}

const windowOf = (className: string, source: string) => JSON.stringify([className, source]);
