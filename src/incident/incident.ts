// An incident: what happened, and where its life stands. The shape is the one that the HTTP API answers.

import type { ActionState, ContainmentStatus } from './containment.ts';
import type { Report } from './report.ts';
import type { Resolution, Severity, State } from './vocabulary.ts';

/** Where a record stands in the audit log: its place, and the hash that binds all before it. */
export interface Receipt {
  readonly seq: number;
  /** 64 hex digits */
  readonly hash: string;
}

/** Why the policy ordered what it ordered. */
export interface DecidedBy {
  readonly policy_sha256: string;
  /** The class whose rule decided, and its line in the file; null when the policy has none. */
  readonly rule: string | null;
  readonly line: number | null;
  /** Each condition that was asked, and whether it held; left out where there was none. */
  readonly conditions?: readonly {
    readonly action: string;
    readonly kind: 'if' | 'approve' | 'protect';
    readonly text: string;
    readonly holds: boolean;
  }[];
  /** Where the severity came from. */
  readonly severity_from: 'reporter' | 'rule' | 'class' | 'default' | 'floor' | 'escalation' | 'recorder';
}

/** What must be shown before an incident can be resolved, once its rule has said so. */
export type Gate = 'acknowledged' | 'attested';

interface Attested {
  /** The containment that it was shown for. */
  readonly binding: string;
  readonly by: string;
  readonly at: string;
}

export interface Incident {
  readonly id: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly occurred_at: string | null;
  readonly class: string;
  readonly severity: Severity;
  readonly state: State;
  readonly source: string;
  /** The name of the token that reported it. */
  readonly reported_by: string;
  readonly description: string;
  readonly evidence: Report['evidence'];
  readonly subject: Report['subject'];
  readonly dedup_key: string | null;
  readonly occurrences: number;
  readonly last_seen_at: string;
  /** The resolved incident of the same problem, if there was one. */
  readonly follows: string | null;
  readonly confidence: number | null;
  readonly attack: Report['attack'];
  readonly trace_id: string | null;
  readonly containment_actions: readonly string[];
  readonly proposed_actions: readonly string[];
  readonly containment: {
    readonly status: ContainmentStatus;
    readonly reached_at: string | null;
    readonly actions: readonly ActionState[];
  };
  readonly resolved_at: string | null;
  readonly resolution: Resolution | null;
  readonly decided_by: DecidedBy;
  /** Null when it can be resolved at any time. */
  readonly release: { readonly gate: readonly Gate[]; readonly attested: Attested | null } | null;
  /** The receipt of its `incident.reported` record. */
  readonly audit: Receipt;
}

/** An incident as it is kept, with the seq of its last record: its version, which is its ETag. */
export interface Kept {
  readonly incident: Incident;
  readonly version: number;
}

/** `INC-` + UTC date + 12 hex digits of chance; what an id of ours can look like. */
export const INCIDENT_ID = /^INC-\d{8}-[0-9a-f]{6,32}$/;
