// A policy in force: what decide() reads, and nothing of how it was written.

import type { ActionName } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import type { Gate } from '../incident/incident.ts';
import type { Severity } from '../incident/vocabulary.ts';

/** Of a policy file. */
export const MAX_POLICY_BYTES = 256 * 1024;

/** Live holds of a rule for one source, where it does not say otherwise, and of a rule that has left the policy. */
export const DEFAULT_MAX_HOLDS = 100;

export const CONDITION_FIELDS = ['severity', 'confidence', 'occurrences', 'source', 'mode'] as const;
export const OPERATORS = ['==', '!=', '<', '<=', '>', '>='] as const;

/** `field op literal`, and nothing more. */
export interface Condition {
  readonly field: (typeof CONDITION_FIELDS)[number];
  readonly op: (typeof OPERATORS)[number];
  readonly value: string | number;
  /** As it is written. */
  readonly text: string;
}

/** One action of a rule, as it is to be ordered. */
export interface RuleAction {
  readonly action: ActionName;
  /** Where in the report its target stands: `subject`, or `evidence.<key>`; null = where the action's own row looks. */
  readonly target: string | null;
  readonly params: Params;
  /** How long it holds, in milliseconds: one step, or a ladder for a repeated offender; empty = until its incidents are resolved. */
  readonly ttl_ms: readonly number[];
  /** It is ordered only when this holds. */
  readonly if: Condition | null;
  /** An operator must approve it when this holds. */
  readonly approve: Condition | null;
}

export interface Rule {
  readonly auto_contain: boolean;
  readonly actions: readonly RuleAction[];
  readonly default_severity: Severity | null;
  /** A floor under the reporter's word and the default. */
  readonly min_severity: Severity | null;
  readonly dedupe: { readonly by: readonly string[]; readonly window_ms: number } | null;
  readonly escalate: { readonly count: number; readonly window_ms: number; readonly to: Severity } | null;
  /** Between two commands for the same action and target; 0 = none. */
  readonly cooldown_ms: number;
  /** Live holds that this rule may have for one source. */
  readonly max_holds: number;
  /** Empty = none. */
  readonly gate: readonly Gate[];
  /** Where the rule stands in its file (from 1); null when built in. */
  readonly line: number | null;
}

/** Targets that are not touched, whatever a rule says. */
export interface Protection {
  readonly actions: readonly ActionName[];
  /** Addresses, networks (CIDR), or names with `*` at their end. */
  readonly targets: readonly string[];
  /** True when an operator may approve it all the same. */
  readonly with_approval: boolean;
  readonly line: number;
}

/** Where an actuator takes commands: an HTTP path over a unix socket, or over TCP to a literal address (a name only with `allow_remote`). */
export type Address =
  | { readonly over: 'unix'; readonly socket: string; readonly path: string }
  | { readonly over: 'tcp'; readonly tls: boolean; readonly host: string; readonly port: number; readonly path: string };

export interface Actuator {
  readonly name: string;
  readonly actions: readonly ActionName[];
  /** Null = it fetches its commands itself. */
  readonly push: Address | null;
  readonly dialect: 'standard' | 'secai';
  /** Name of a file in SECRETS_DIR with one or two keys (`whsec_…`) that sign what is sent. */
  readonly secret: string | null;
  /** Name of a file in SECRETS_DIR with a bearer token. */
  readonly token: string | null;
  /** False when the file of `token` need not be there: an actuator that the environment names. */
  readonly token_required: boolean;
  /** Milliseconds from a command to its end; past it, it is overdue. */
  readonly deadline_ms: number;
  /** How it is asked whether what it did still stands; null = it is not. `get` null: each hold by a command of its own. */
  readonly verify: { readonly every_ms: number; readonly get: string | null; readonly expect: Readonly<Record<string, unknown>> } | null;
  /** How often one that fetches its commands says that it lives; null = it never must. */
  readonly heartbeat_ms: number | null;
}

/** An endpoint that is told of what happens. */
export interface Webhook {
  readonly url: string;
  /** Empty = all. */
  readonly events: readonly ('containment' | 'escalation' | 'recovery')[];
  readonly format: 'original' | 'slack' | 'discord';
  /** Name of a file in SECRETS_DIR with the keys that sign what is sent; null = unsigned. */
  readonly secret: string | null;
}

export interface Policy {
  readonly from: 'file' | 'built_in';
  /** Of the file's text, or of the built-in table as JSON. */
  readonly sha256: string;
  readonly text: string;
  readonly mode: 'enforce' | 'observe' | 'approve';
  /** The level at which an action with an actuator counts as contained. */
  readonly contained_when: 'accepted' | 'enforced' | 'verified';
  /** Whether an action that nobody can be asked to do counts as contained. */
  readonly without_actuator: 'recorded' | 'never';
  readonly rules: ReadonlyMap<string, Rule>;
  readonly protect: readonly Protection[];
  /** By their names, in the order of the file. No two of them do the same action. */
  readonly actuators: ReadonlyMap<string, Actuator>;
  /** How long an approval waits, and what then: `reject`, or `escalate` (an alert; it goes on waiting). */
  readonly approvals: { readonly timeout_ms: number; readonly on_timeout: 'reject' | 'escalate' };
  /** Every class that may be reported, with its default severity where `classes` gives one. */
  readonly classes: ReadonlyMap<string, Severity | null>;
  /** Whether the recorder's own findings of broken integrity may act. */
  readonly self: { readonly integrity_violation: 'observe' | 'enforce' };
  /** Webhooks that the file names. */
  readonly webhooks: readonly Webhook[];
}

/** Who carries an action out; null = nobody that is known. */
export function actuatorOf({ actuators }: Policy, action: string): Actuator | null {
  for (const actuator of actuators.values()) if ((actuator.actions as readonly string[]).includes(action)) return actuator;
  return null;
}

/** The name of who carries an action out now; null = nobody that is known. */
export function doerOf(policy: Policy, action: string): string | null {
  return actuatorOf(policy, action)?.name ?? null;
}

/** The actuator of this name, if there is one: the policy may not name it any more. */
export function knownActuator({ actuators }: Policy, name: string | null): Actuator | null {
  return name === null ? null : (actuators.get(name) ?? null);
}

/** Whether it can be known that a hold of this actuator stands. */
export function canVerify(actuator: Actuator | null): boolean {
  return actuator !== null && (actuator.verify !== null || actuator.heartbeat_ms !== null);
}
