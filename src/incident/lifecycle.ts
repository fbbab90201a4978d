// The life of an incident as a table: which step is allowed from which state, and where it leads.

import { RecorderError } from '../errors.ts';
import type { State } from './vocabulary.ts';

type Leads = Partial<Record<State, State>>;

const LIFECYCLE = {
  contain: { open: 'contained', acknowledged: 'contained' },
  acknowledge: { open: 'acknowledged', contained: 'acknowledged' },
  resolve: { open: 'resolved', contained: 'resolved', acknowledged: 'resolved' },
  /** Un-acknowledge: leads back to contained instead while the incident's containment stands. */
  reopen: { acknowledged: 'open' },
} as const satisfies Record<string, Leads>;

export type StepName = keyof typeof LIFECYCLE;
export const STEP_NAMES = Object.keys(LIFECYCLE) as StepName[];

/** The steps that a state allows, in the order of the table. */
export function allowedFrom(state: State): StepName[] {
  return STEP_NAMES.filter((step) => state in LIFECYCLE[step]);
}

/** Where a step leads. @throws RecorderError "state_conflict" with the state and what it allows. */
export function stateAfter(step: StepName, state: State): State {
  const next = (LIFECYCLE[step] as Leads)[state];
  if (next) return next;
  const allowed = allowedFrom(state);
  const instead = allowed.length === 0 ? 'no step is left; a new report makes a new incident' : `what it allows: ${allowed.join(', ')}`;
  throw new RecorderError('state_conflict', `cannot ${step} an incident that is ${state}; ${instead}`, { state, allowed });
}
