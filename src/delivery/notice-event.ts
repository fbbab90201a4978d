// Which records are told of to webhooks, as which event, and in which words. Pure.

import { SUCCESS } from '../incident/command.ts';
import type { EventType, Events } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Incident } from '../incident/incident.ts';
import type { Recorded } from '../incident/recorded.ts';
import type { Webhook } from '../policy/policy.ts';

export type NoticeEvent = Webhook['events'][number];

export interface Notice {
  /** Of the record that is told of. */
  readonly seq: number;
  readonly ts: string;
  readonly event: NoticeEvent;
  /** As it is now. */
  readonly incident: Incident;
  /** The actions that it is about; empty = none. */
  readonly actions: readonly string[];
  /** What happened to the incident, in words of ours. */
  readonly what: string;
  /** What an actuator had to say about it, or null. */
  readonly why: string | null;
}

/** What a record of each kind may be told as. Whether a single one is, and as which, depends on what it says. */
export const EVENTS_OF = {
  'incident.contained': ['containment'],
  'command.moved': ['containment', 'recovery'],
  'hold.moved': ['containment'],
  'incident.escalated': ['escalation'],
  'approval.escalated': ['escalation'],
  'approval.decided': ['escalation'],
  'hold.released': ['recovery'],
  'incident.resolved': ['recovery'],
} as const satisfies Partial<Record<EventType, readonly NoticeEvent[]>>;

/** The events that a record of this type may be told as. */
export function eventsOf(type: string): readonly NoticeEvent[] {
  return Object.hasOwn(EVENTS_OF, type) ? EVENTS_OF[type as keyof typeof EVENTS_OF] : [];
}

type Said = Pick<Notice, 'event' | 'what' | 'why'>;

/** The incident that a record is about, or whose hold it is about, by its id. */
export function incidentIn(record: Recorded, hold: Pick<Hold, 'incident_id'> | null): string | null {
  const told = record.type === 'hold.released' ? record.data.incident_id : null;
  return told ?? hold?.incident_id ?? record.id;
}

/** Whether there is anything to tell of it. */
export function isTold(record: Recorded): boolean {
  return saidOf(record) !== null;
}

/**
 * @param incident that it is about, as it is now; null when it is not known any more
 * @param hold that it is about
 */
export function noticeOf(record: Recorded, incident: Incident | null, hold: Pick<Hold, 'action'> | null): Notice | null {
  const said = saidOf(record);
  if (!said || !incident) return null;
  const ordered = record.type === 'incident.contained' ? incident.containment_actions : [];
  return { seq: record.seq, ts: record.ts, ...said, incident, actions: hold ? [hold.action] : ordered };
}

function saidOf(record: Recorded): Said | null {
  switch (record.type) {
    case 'incident.contained':
      return { event: 'containment', what: `is contained by the ${record.data.by}: ${record.data.status}`, why: null };
    case 'command.moved':
      return failed(record.data);
    case 'hold.moved':
      return drifted(record.data);
    case 'incident.escalated':
      return risen(`has risen from ${record.data.from} to ${record.data.to}`);
    case 'approval.escalated':
      return risen('waits for an approval that nobody has decided in time');
    case 'approval.decided':
      return unapproved(record.data);
    case 'hold.released':
      return released(record.data);
    case 'incident.resolved': {
      const { resolution } = record.data;
      return { event: 'recovery', what: `is resolved${resolution === null ? '' : `: ${resolution}`}`, why: null };
    }
    default:
      return null;
  }
}

/** What came true is told as the containment of its incident, or the release of its hold; what comes late had failed before. */
function failed({ op, result, late, hold, error }: Events['command.moved']): Said | null {
  if (late || result === 'accepted' || result === SUCCESS[op]) return null;
  if (op === 'release') return { event: 'recovery', what: 'has a hold that could not be released', why: error };
  return hold.status === 'failed' ? { event: 'containment', what: 'could not be contained', why: hold.error } : null;
}

function drifted({ hold }: Events['hold.moved']): Said | null {
  return hold.status === 'drifted'
    ? { event: 'containment', what: 'is contained no more: what was in force is not', why: hold.error }
    : null;
}

function risen(what: string): Said {
  return { event: 'escalation', what, why: null };
}

/** An approval of which nothing waits any more is closed too, with a note that says so. */
function unapproved({ status, note }: Events['approval.decided']): Said | null {
  return status === 'expired' && note === null ? risen('is refused what waited for approval: nobody has decided in time') : null;
}

/** What was never in force (refused, not approved), or is held by another hold now, was not let go. */
function released({ reason, status = 'released', by_hand = false }: Events['hold.released']): Said | null {
  if (status === 'failed' || (reason === 'superseded' && !by_hand)) return null;
  const how = status === 'expired' ? 'has ended by its time' : 'was released';
  return { event: 'recovery', what: `has a hold that ${how}${by_hand ? '; what it did is to be undone by hand' : ''}`, why: null };
}
