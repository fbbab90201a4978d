// The life of an incident: the whole table of the contract, and what a refused step is told.

import { describe, expect, it } from 'vitest';
import { STEP_NAMES, type StepName, allowedFrom, stateAfter } from '../../src/incident/lifecycle.ts';
import { STATES, type State } from '../../src/incident/vocabulary.ts';
import { refusalOf } from '../support/refusal.ts';

/** As the contract draws it; null = the step is refused. */
const TABLE: Record<State, Record<StepName, State | null>> = {
  open: { contain: 'contained', acknowledge: 'acknowledged', resolve: 'resolved', reopen: null },
  contained: { contain: null, acknowledge: 'acknowledged', resolve: 'resolved', reopen: null },
  acknowledged: { contain: 'contained', acknowledge: null, resolve: 'resolved', reopen: 'open' },
  resolved: { contain: null, acknowledge: null, resolve: null, reopen: null },
};
const CELLS = Object.entries(TABLE).flatMap(([from, row]) => Object.entries(row).map(([step, to]) => [step, from, to]));
const ALLOWED = CELLS.filter((cell) => cell[2] !== null) as [StepName, State, State][];
const REFUSED = CELLS.filter((cell) => cell[2] === null) as [StepName, State, null][];

describe('the life of an incident', () => {
  it('knows the steps and states of the contract, and no more', () => {
    expect(STEP_NAMES.toSorted()).toEqual(['acknowledge', 'contain', 'reopen', 'resolve']);
    expect(STATES.toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  it.each(ALLOWED)('allows to %s what is %s, which is then %s', (step, from, to) => {
    expect(stateAfter(step, from)).toBe(to);
    expect(allowedFrom(from)).toContain(step);
  });

  it.each(REFUSED)('refuses to %s what is %s, and says what is allowed instead', (step, from) => {
    const refusal = refusalOf(() => stateAfter(step, from));
    const allowed = ALLOWED.filter(([, state]) => state === from).map(([name]) => name);
    expect(refusal.code).toBe('state_conflict');
    expect(refusal.details).toEqual({ state: from, allowed });
    expect(refusal.message).toContain(`cannot ${step} an incident that is ${from}`);
    for (const name of allowed) expect(refusal.message).toContain(name);
  });

  it('ends with resolved, and says that a new report makes a new incident', () => {
    expect(allowedFrom('resolved')).toEqual([]);
    expect(refusalOf(() => stateAfter('reopen', 'resolved')).message).toContain('a new report makes a new incident');
  });
});
