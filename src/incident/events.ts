// What can happen, as the audit log tells it: one line per kind of record, with the data it carries.

import type { ActionState, ActionStatus, ContainmentStatus } from './containment.ts';
import type { Hold, Progress } from './hold.ts';
import type { HoldEvents, RequestMark } from './hold-events.ts';
import type { DecidedBy, Gate, Incident } from './incident.ts';
import type { Evidence, Report } from './report.ts';
import type { Resolution, Severity, State } from './vocabulary.ts';

/** An action as a decision ordered it. `hold_id` is null when there is nothing to hold (an alert, a refusal). */
export interface OrderedAction extends Pick<ActionState, 'action' | 'target' | 'hold_id' | 'status' | 'error'> {
  /** How far the hold has come that it joins; not there of a new one. */
  readonly joined?: Pick<Progress, 'actuator' | 'attempts' | 'completed_at'>;
  /** What the hold is that is opened for it, as far as its status does not tell; not there of one that is only recorded. */
  readonly opens?: Pick<Hold, 'params' | 'actuator' | 'expires_at'>;
}

/** The containment of the whole incident after it. */
interface Containment {
  readonly status: ContainmentStatus;
  /** Whether all that was ordered has come as far as the policy demands. */
  readonly reached: boolean;
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
  readonly mode: 'enforce' | 'observe' | 'approve';
  readonly decided_by: DecidedBy;
  readonly actions: readonly OrderedAction[];
  readonly proposed_actions: readonly string[];
  readonly containment: Containment;
  readonly request: RequestMark | null;
}

/** How an incident owns one of its actions: the hold by its seq, what the action was when it was ordered, from when and until when. */
export interface Ownership {
  readonly hold: number | null;
  readonly status: ActionStatus;
  /** What is kept of the action itself, where its hold goes on telling how far it has come. */
  readonly of?: Omit<Progress, 'status'>;
  readonly began: number;
  /** 0 while it lasts. */
  readonly ended: number;
}

/** The reports of a class and source that an escalation rule may still count, in milliseconds since 1970. */
export interface Sighted {
  readonly class: string;
  readonly source: string;
  readonly at: readonly number[];
}

/** What each kind of record carries. */
export interface Events extends HoldEvents {
  'log.opened': { origin: string; instance: string; public_key: string; software: string };
  /**
   * What was found at a start, or later, not to be what had been written. A file of the log was kept aside as `damaged`, and written
   * anew from the store; or records `restored` were missing from the store, and taken from the log; or neither could be done: then the
   * log goes on as another `instance`, and its checkpoints under another `origin`.
   */
  'log.recovered': {
    reason: string;
    damaged: string | null;
    restored: { from: number; to: number } | null;
    went_on_as: { instance: string; origin: string } | null;
  };
  /** The last record of a file of the log; the next one begins another. */
  'log.rotated': Record<string, never>;
  /**
   * Records `from` to `to` are no longer kept: nothing but their Merkle tree, by its root and its largest subtrees. What they made and is
   * kept was told again just before this.
   */
  'log.pruned': { from: number; to: number; root: string; hashes: readonly string[]; public_key: string | null; policy_sha256: string };
  'service.started': { software: string; pid: number; public_key: string };
  'service.stopped': { reason: string };
  /** `text` is there the first time this text is in force. */
  'policy.loaded': { sha256: string; from: 'file' | 'built_in'; rules: number; mode: string; text?: string; request: RequestMark | null };
  'policy.kept': { sha256: string; text: string };
  'tokens.loaded': {
    tokens: {
      name: string;
      role: string;
      sources: readonly string[] | null;
      classes: readonly string[] | null;
      actuator?: string | null;
    }[];
  };
  'key.changed': { old: string; new: string };
  /** `problem` is what later reports are joined by; null when none will be. */
  'incident.reported': Judged & { follows: string | null; problem: string | null; gate?: readonly Gate[] };
  'incident.joined': Judged & { occurrences: number };
  'incident.escalated': { from: Severity; to: Severity; count: number; window_s: number };
  /** `request` is told where it was ordered, if anything was. */
  'incident.contained': {
    from: State;
    by: 'policy' | 'operator';
    status: ContainmentStatus;
    note: string | null;
    request: RequestMark | null;
  };
  /** An operator's contain that had something to order. */
  'incident.ordered': {
    actions: readonly OrderedAction[];
    containment: Containment;
    note: string | null;
    request: RequestMark | null;
  };
  'incident.acknowledged': Stepped;
  /** `ending`: holds that end with it, as the records behind tell. `let_go`: holds that others own too, as far as they had come. */
  'incident.resolved': Stepped & {
    resolution: Resolution | null;
    status: ContainmentStatus;
    ending?: readonly string[];
    let_go?: readonly (Omit<Progress, 'status'> & { readonly hold_id: string })[];
  };
  /** `status` where it moved by itself: its containment stands no more. */
  'incident.reopened': Stepped & { to: State; status?: ContainmentStatus };
  /** Its containment moved and its state did not. */
  'containment.moved': Containment;
  /** The attestor's evidence that the host is what it should be again, bound to the containment that it lets go. */
  'incident.attested': { binding: string; evidence: Evidence; note: string | null; request: RequestMark | null };
  'incident.noted': { note: string; request: RequestMark | null };
  /** What it was when its first records were pruned; `version` and `last`: the last record about it, and about it or a hold of it; `owned` goes with its actions, one for one, as far as they are told here. */
  'incident.kept': { incident: Incident; version: number; last?: number; problem: string | null; owned: readonly Ownership[] };
  /** The next of its actions, from the `n`-th on. */
  'actions.kept': { incident?: number; n: number; actions: readonly ActionState[]; owned: readonly Ownership[] };
  'alert.raised': { reason: string; class: string; severity: Severity; source: string };
  /** All of them, in as many records as it takes; `first` begins anew. */
  'sightings.kept': { first: boolean; sightings: readonly Sighted[] };
  'auth.denied': { count: number; reasons: Record<string, number> };
  'rate.limited': { token: string; refused: number };
}

export type { EndReason, RequestMark } from './hold-events.ts';

export type EventType = keyof Events;
