// The status of an incident's containment, and its results in the original's form, read off its single actions.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTION_STATUSES, type ActionState, type ActionStatus, resultsOf, statusOf } from '../../src/incident/containment.ts';

const AT = '2026-03-13T08:15:30.123Z';

/** An action as orders make it: what is recorded or released has a hold; an alert or a refusal has none, and is over at once. */
function action(status: ActionStatus, more: Partial<ActionState> = {}): ActionState {
  const held = status === 'recorded' || status === 'released';
  const fixed = { action: 'freeze_agent', target: 'agent:*', actuator: null, attempts: 0 };
  const error = status === 'failed' ? 'limit' : null;
  return { ...fixed, status, hold_id: held ? 'HLD-0123456789ab' : null, error, completed_at: held ? null : AT, ...more };
}
const actions = (...statuses: ActionStatus[]) => statuses.map((status) => action(status));

describe('the containment of an incident', () => {
  it.each<[string, ActionStatus[]]>([
    ['none', []],
    ['verified', ['verified']],
    ['recorded', ['recorded']],
    ['recorded', ['recorded', 'verified']],
    ['recorded', ['verified', 'verified', 'recorded']],
    ['failed', ['failed']],
    ['failed', ['failed', 'failed']],
    ['partial', ['failed', 'recorded']],
    ['partial', ['failed', 'verified']],
    ['partial', ['recorded', 'failed', 'verified']],
    ['released', ['released']],
    ['released', ['released', 'released']],
    ['released', ['released', 'verified']],
    ['recorded', ['released', 'recorded']],
    ['recorded', ['released', 'recorded', 'verified']],
    ['partial', ['released', 'recorded', 'failed']],
  ])('is %s when its actions are %j', (status, of) => {
    expect(statusOf(actions(...of))).toBe(status);
  });

  it('does not hang on the order of its actions, and is never better than its weakest', () => {
    const some = fc.array(fc.constantFrom(...ACTION_STATUSES), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(some, fc.nat(), (statuses, turn) => {
        const turned = [...statuses.slice(turn % statuses.length), ...statuses.slice(0, turn % statuses.length)];
        const status = statusOf(actions(...statuses));
        expect(statusOf(actions(...turned))).toBe(status);
        const live = statuses.filter((each) => each !== 'released');
        if (status === 'verified') expect(statuses.every((each) => each === 'verified')).toBe(true);
        if (status === 'recorded') expect(live).not.toContain('failed');
        if (status === 'released') expect(live).not.toContain('recorded');
        if (live.includes('recorded') && live.includes('failed')) expect(status).toBe('partial');
      }),
    );
  });
});

describe('containment_results', () => {
  it('lists finished actions only: what is on record and left to its service is not one', () => {
    expect(resultsOf(actions('recorded', 'verified', 'failed'))).toEqual([
      { action: 'freeze_agent', success: true, completed_at: AT },
      { action: 'freeze_agent', success: false, completed_at: AT, error: 'limit' },
    ]);
  });

  it('calls nothing a success that nobody has confirmed', () => {
    for (const status of ACTION_STATUSES) {
      expect(resultsOf([action(status, { completed_at: AT })])).toMatchObject([{ success: status === 'verified' }]);
    }
  });
});
