// What can happen, as the audit log tells it: one line per kind of record, with the data it carries.

import type { Severity, State } from './vocabulary.ts';
import type { ActionStatus, ContainmentStatus } from './containment.ts';
import type { DecidedBy } from './incident.ts';
import type { Report } from './report.ts';

/** An action as a decision ordered it. `hold_id` is null when there is nothing to hold (an alert, a refusal). */
export interface OrderedAction {
  readonly action: string;
  readonly target: string;
  readonly hold_id: string | null;
  readonly status: ActionStatus;
  readonly error: string | null;
}

/** The SHA-256 of an Idempotency-Key and of the body it came with: enough to know the request again. */
export interface RequestMark {
  readonly token: string;
  readonly key_sha256: string;
  readonly body_sha256: string;
}

interface Stepped {
  readonly from: State;
  readonly note: string | null;
  readonly request: RequestMark | null;
}

/** What one report did: all that is needed to make its incident again. */
interface Judged {
  readonly report: Report;
  readonly reported_by: string;
  readonly severity: Severity;
  readonly mode: 'enforce' | 'observe';
  readonly decided_by: DecidedBy;
  readonly actions: readonly OrderedAction[];
  readonly proposed_actions: readonly string[];
  readonly request: RequestMark | null;
}

export interface Events {
  'log.opened': { origin: string; instance: string; public_key: string; software: string };
  /** The file was not a copy of the store: it was kept aside under `damaged` and written anew. */
  'log.recovered': { damaged: string; reason: string };
  'service.started': { software: string; pid: number };
  'service.stopped': { reason: string };
  /** `text` is there the first time this text is in force. */
  'policy.loaded': { sha256: string; from: 'file' | 'built_in'; rules: number; mode: string; text?: string };
  'tokens.loaded': { tokens: { name: string; role: string; sources: readonly string[] | null; classes: readonly string[] | null }[] };
  'key.changed': { old: string; new: string };
  /** `problem` is what later reports are joined by; null when none will be. */
  'incident.reported': Judged & { follows: string | null; problem: string | null };
  'incident.joined': Judged & { occurrences: number };
  'incident.escalated': { from: Severity; to: Severity; count: number; window_s: number };
  'incident.contained': {
    from: State;
    by: 'policy' | 'operator';
    status: ContainmentStatus;
    note: string | null;
    request: RequestMark | null;
  };
  /** An operator's contain that had something to order. */
  'incident.ordered': { actions: readonly OrderedAction[]; note: string | null; request: RequestMark | null };
  'incident.acknowledged': Stepped;
  'incident.resolved': Stepped & { resolution: string | null };
  'incident.reopened': Stepped & { to: State };
  'incident.noted': { note: string; request: RequestMark | null };
  'alert.raised': { reason: string; class: string; severity: Severity; source: string };
  'action.refused': { action: string; target: string; reason: 'limit'; limit: number };
  'hold.recorded': { action: string; target: { type: string; id: string }; rule: string; source: string; incident_id: string };
  'hold.released': { reason: 'last owner ended'; incident_id: string };
  'auth.denied': { count: number; reasons: Record<string, number> };
  'rate.limited': { token: string; refused: number };
}

export type EventType = keyof Events;
