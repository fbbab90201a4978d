// A policy in force: what decide() reads, and nothing of how it was written.

import type { ActionName } from '../incident/actions.ts';
import type { Severity } from '../incident/vocabulary.ts';

/** Live holds of a rule for one source, where it does not say otherwise, and of a rule that has left the policy. */
export const DEFAULT_MAX_HOLDS = 100;

export interface Rule {
  readonly auto_contain: boolean;
  readonly actions: readonly ActionName[];
  readonly default_severity: Severity | null;
  /** A floor under the reporter's word and the default. */
  readonly min_severity: Severity | null;
  readonly dedupe: { readonly by: readonly string[]; readonly window_ms: number } | null;
  readonly escalate: { readonly count: number; readonly window_ms: number; readonly to: Severity } | null;
  /** Live holds that this rule may have for one source. */
  readonly max_holds: number;
  /** Where the rule stands in its file (from 1); null when built in. */
  readonly line: number | null;
}

export interface Policy {
  readonly from: 'file' | 'built_in';
  /** Of the file's text, or of the built-in table as JSON. */
  readonly sha256: string;
  readonly text: string;
  readonly mode: 'enforce' | 'observe';
  /** Whether an action that nobody can be asked to do counts as contained. */
  readonly without_actuator: 'recorded' | 'never';
  readonly rules: ReadonlyMap<string, Rule>;
  /** Every class that may be reported, with its default severity where `classes` gives one. */
  readonly classes: ReadonlyMap<string, Severity | null>;
  /** Whether the recorder's own findings of broken integrity may act. */
  readonly self: { readonly integrity_violation: 'observe' | 'enforce' };
  /** Webhooks that the file names. */
  readonly webhooks: readonly string[];
}
