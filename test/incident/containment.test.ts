// The status of an incident's containment, and its results in the original's form, read off its single actions.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ActionState, type ActionStatus, isUnderWay, resultsOf, statusOf, wantedOf } from '../../src/incident/containment.ts';
import { HOLD_STATUSES, isWanted } from '../../src/incident/hold.ts';

const AT = '2026-03-13T08:15:30.123Z';

/** An action as orders make it: all but an alert, which is verified, and a refusal, which has failed, have a hold; these two are over at once. */
function action(status: ActionStatus, more: Partial<ActionState> = {}): ActionState {
  const held = status !== 'verified' && status !== 'failed';
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
    ['awaiting_approval', ['verified', 'enforced', 'accepted', 'requested', 'recorded', 'awaiting_approval']],
    ['recorded', ['enforced', 'recorded', 'requested']],
    ['requested', ['enforced', 'accepted', 'requested', 'verified']],
    ['accepted', ['enforced', 'accepted', 'verified']],
    ['enforced', ['enforced', 'verified']],
    ['drifted', ['drifted', 'awaiting_approval']],
    ['drifted', ['enforced', 'drifted', 'failed']],
    ['partial', ['enforced', 'failed', 'requested']],
    ['partial', ['awaiting_approval', 'failed']],
    ['released', ['failed', 'released']],
    ['releasing', ['releasing', 'released', 'expired']],
    ['expired', ['released', 'expired']],
    ['enforced', ['releasing', 'released', 'expired', 'enforced']],
    ['releasing', ['verified', 'releasing']],
  ])('is %s when its actions are %j', (status, of) => {
    expect(statusOf(actions(...of))).toBe(status);
  });

  it('does not hang on the order of its actions, and is never better than its weakest', () => {
    const some = fc.array(fc.constantFrom(...HOLD_STATUSES), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(some, fc.nat(), (statuses, turn) => {
        const turned = [...statuses.slice(turn % statuses.length), ...statuses.slice(0, turn % statuses.length)];
        const status = statusOf(actions(...statuses));
        expect(statusOf(actions(...turned))).toBe(status);
        const wanted = wantedOf(actions(...statuses)).map((each) => each.status);
        if (status === 'verified') expect(statuses.every((each) => each === 'verified')).toBe(true);
        if (status === 'recorded') expect(wanted).not.toContain('failed');
        const held = actions(...statuses).filter(({ hold_id }) => hold_id !== null);
        if (['releasing', 'released', 'expired'].includes(status)) expect(held.some((each) => isWanted(each.status))).toBe(false);
        if (wanted.includes('drifted')) expect(status).toBe('drifted');
        else if (wanted.includes('failed')) expect(status).toBe(wanted.every((each) => each === 'failed') ? 'failed' : 'partial');
        else if (wanted.length > 0) expect(wanted.map(strength)).toContain(strength(status));
        if (status !== 'partial' && wanted.length > 0) expect(strength(status)).toBe(Math.min(...wanted.map(strength)));
      }),
    );
  });

  it('is failed still when a hold has failed, though all others were released: it is wanted', () => {
    expect(statusOf([action('failed', { hold_id: 'HLD-0123456789ab' }), action('released')])).toBe('failed');
  });

  it.each(HOLD_STATUSES)('that is %s is waited for only while more may come of it by itself', (status) => {
    expect(isUnderWay([{ status }])).toBe(['requested', 'accepted', 'releasing'].includes(status));
    // Whatever is weaker beside it.
    expect(isUnderWay([{ status: 'recorded' }, { status }, { status: 'failed' }])).toBe(isUnderWay([{ status }]));
  });
});

/** As the API says it, weakest first; a failure beside something better is told as partial, and one beside a drift as drifted. */
function strength(status: string): number {
  return ['drifted', 'failed', 'awaiting_approval', 'recorded', 'requested', 'accepted', 'enforced', 'verified'].indexOf(status);
}

describe('containment_results', () => {
  it('lists finished actions only: what is on record and left to its service is not one', () => {
    expect(resultsOf(actions('recorded', 'verified', 'failed'))).toEqual([
      { action: 'freeze_agent', success: true, completed_at: AT },
      { action: 'freeze_agent', success: false, completed_at: AT, error: 'limit' },
    ]);
  });

  it.each(['awaiting_approval', 'recorded', 'requested', 'accepted'] as const)(
    'does not list what is %s, though it had failed, or had been in force, before',
    (status) => {
      expect(resultsOf([action(status, { completed_at: AT })])).toEqual([]);
    },
  );

  it.each([
    ['enforced', true],
    ['verified', true],
    ['drifted', false],
    ['failed', false],
  ] as const)('calls what is %s a success: %s', (status, success) => {
    const error = success ? null : 'why';
    const told = { action: 'freeze_agent', success, completed_at: AT, ...(success ? {} : { error: 'why' }) };
    expect(resultsOf([action(status, { completed_at: AT, error })])).toEqual([told]);
  });

  it.each(['releasing', 'released', 'expired'] as const)('tells of what is %s how it had come out', (status) => {
    const told = { action: 'freeze_agent', completed_at: AT };
    expect(resultsOf([action(status)])).toEqual([]);
    expect(resultsOf([action(status, { completed_at: AT })])).toEqual([{ ...told, success: true }]);
    expect(resultsOf([action(status, { completed_at: AT, error: 'why' })])).toEqual([{ ...told, success: false, error: 'why' }]);
  });
});
