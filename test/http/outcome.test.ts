// Waiting for containment before a report or a step is answered: who waits, how long, what ends it, and what is said of it.

import { describe, expect, it, vi } from 'vitest';
import type { ActionState, ActionStatus, ContainmentStatus } from '../../src/incident/containment.ts';
import type { Incident, Kept } from '../../src/incident/incident.ts';
import type { State } from '../../src/incident/vocabulary.ts';
import { createAwaitOutcome, isContainmentOver, isReleaseOver } from '../../src/http/outcome.ts';
import { reportRoutes } from '../../src/http/routes/reports.ts';
import { stepRoutes } from '../../src/http/routes/steps.ts';
import { createWaitingRoom } from '../../src/http/waiting.ts';
import { createTestBell, openDoors } from '../support/doors.ts';
import { INCIDENT, anIncident, policyWith } from '../support/held.ts';
import { aReport } from '../support/house.ts';
import { type RawAnswer, connectRaw, exchange, requestText } from '../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../support/routes.ts';

const API = '/api/v1/incidents';
const RECEIPT = { seq: 42, hash: 'a'.repeat(64) };
const { reporter: REPORTER, operator: OPERATOR } = ROLE_TOKENS;
const isOfOne = (status: ContainmentStatus): status is ActionStatus => !['none', 'partial', 'suppressed'].includes(status);
const anAction = (status: ActionStatus): ActionState => ({
  ...{ action: 'freeze_agent', target: 'agent:*', hold_id: 'HLD-000000000001', status },
  ...{ actuator: 'agent', attempts: 0, error: null, completed_at: null },
});

/** An incident whose one action has come as far as that; `none`, `partial` and `suppressed` are of no single one. */
const containment = (status: ContainmentStatus): Pick<Incident, 'containment'> => ({
  containment: { status, reached_at: null, actions: isOfOne(status) ? [anAction(status)] : [] },
});

interface Options {
  wait_ms?: number;
  how?: 'new' | 'joined' | 'replayed';
  /** What the incident is when it is reported, or stepped. */
  begins?: Partial<Incident>;
  max?: number;
  maxEach?: number;
}

async function open({ wait_ms = 0, how = 'new', begins = {}, max = 16, maxEach = 4 }: Options = {}) {
  const bell = createTestBell();
  const waiting = createWaitingRoom({ bell, max, maxEach });
  const state: { kept: Kept | null; asked: number; reads: number } = { kept: null, asked: 0, reads: 0 };
  const begun = (): Kept => ({ incident: anIncident(begins), version: 8 });
  const awaitOutcome = createAwaitOutcome({
    waiting,
    store: {
      incidents: {
        bySeq() {
          state.reads += 1;
          return state.kept;
        },
      },
    },
  });
  const done = () => {
    state.asked += 1;
    const kept = begun();
    state.kept ??= kept;
    return kept;
  };
  const doors = await openDoors(({ refusals }) => [
    ...reportRoutes({
      ...{ refusals, awaitOutcome, wait_ms, pace: () => {}, policy: () => policyWith() },
      recorder: { report: async () => ({ ...done(), receipt: RECEIPT, how }) },
    }),
    ...stepRoutes({
      awaitOutcome,
      recorder: {
        step: async () => ({ ...done(), receipt: RECEIPT, replayed: false }),
        note: async () => ({ ...done(), receipt: RECEIPT, replayed: false }),
      },
    }),
  ]);
  const raw = (path: string, body: object, headers: Record<string, string>) => {
    const text = JSON.stringify(body);
    return requestText('POST', `${API}/${path}`, { headers: { 'content-length': String(text.length), ...headers }, body: text });
  };
  const authorized = (token: string, prefer?: string) => ({ authorization: `Bearer ${token}`, ...(prefer !== undefined && { prefer }) });
  return {
    ...{ doors, state, bell, waiting },
    report: async (prefer?: string, token: string = REPORTER.token): Promise<RawAnswer> =>
      exchange(doors.port, raw('report', aReport(), authorized(token, prefer))),
    step: async (name: string, prefer?: string): Promise<RawAnswer> =>
      exchange(doors.port, raw(name, { id: INCIDENT }, authorized(OPERATOR.token, prefer))),
    reportText: (prefer: string, token: string = REPORTER.token) => raw('report', aReport(), authorized(token, prefer)),
    /** The incident moves, and it rings for it. */
    move(more: Partial<Incident>) {
      state.kept = { incident: anIncident(more), version: (state.kept?.version ?? 8) + 1 };
      bell.ring('incident 7');
    },
    [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose](),
  };
}

async function timed<T>(asked: Promise<T>): Promise<{ answer: T; ms: number }> {
  const began = performance.now();
  return { answer: await asked, ms: performance.now() - began };
}

describe('when it is over', () => {
  const UNDER_WAY: ReadonlySet<ContainmentStatus> = new Set(['requested', 'accepted', 'releasing']);
  const all = [
    'failed',
    'drifted',
    'partial',
    'awaiting_approval',
    'recorded',
    'requested',
    'accepted',
    'enforced',
    'verified',
    'releasing',
    'released',
    'expired',
    'none',
    'suppressed',
  ] as const;

  it.each(all)('of an incident whose containment is %s', (status) => {
    for (const state of ['open', 'acknowledged', 'contained', 'resolved'] as const satisfies State[]) {
      const incident = anIncident({ state, ...containment(status) });
      expect(isContainmentOver(incident)).toBe(!UNDER_WAY.has(status) || state === 'contained' || state === 'resolved');
      expect(isReleaseOver(incident)).toBe(!UNDER_WAY.has(status));
    }
  });
});

describe('a report', () => {
  it('waits as long as the service says until its containment is over, and is answered with the incident as it is then and its own receipt', async () => {
    await using house = await open({ wait_ms: 30_000 });
    const asked = house.report();
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.move(containment('accepted'));
    house.bell.ring('incident 8');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(house.waiting.size).toBe(1);
    house.move({ state: 'contained', ...containment('enforced') });
    const answer = await asked;
    expect(answer.status).toBe(201);
    expect(answer.headers['etag']).toBe('"10"');
    expect(answer.headers['preference-applied']).toBeUndefined();
    expect(answer.json()).toMatchObject({ state: 'contained', containment: { status: 'enforced' }, audit: RECEIPT });
    expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]);
  });

  it('that is contained at the level of the policy does not wait for more', async () => {
    await using house = await open({ wait_ms: 30_000, begins: { state: 'contained', ...containment('accepted') } });
    expect((await house.report()).json()).toMatchObject({ state: 'contained' });
  });

  it.each(['failed', 'awaiting_approval', 'recorded', 'none', 'suppressed', 'verified', 'partial', 'drifted'] as const)(
    'with nobody to wait for (%s) is answered at once, and nothing is read again for it',
    async (status) => {
      await using house = await open({ wait_ms: 30_000, begins: containment(status) });
      const { answer, ms } = await timed(house.report('wait=30'));
      expect([answer.status, answer.headers['preference-applied'], house.state.reads]).toEqual([201, 'wait=30', 0]);
      expect(ms).toBeLessThan(5_000);
    },
  );

  it('is answered when its time is over, as it is then', async () => {
    await using house = await open({ wait_ms: 300 });
    const { answer, ms } = await timed(house.report());
    expect(answer.json()).toMatchObject({ state: 'open', containment: { status: 'requested' } });
    expect(ms).toBeGreaterThan(290);
    expect(ms).toBeLessThan(5_000);
  });

  it('may prefer another time, or none', async () => {
    await using house = await open({ wait_ms: 30_000 });
    const none = await timed(house.report('wait=0'));
    expect([none.answer.headers['preference-applied'], none.answer.status]).toEqual(['wait=0', 201]);
    const one = await timed(house.report('wait=1'));
    expect(one.answer.headers['preference-applied']).toBe('wait=1');
    expect(one.ms).toBeGreaterThan(990);
    expect(none.ms).toBeLessThan(1_000);
  });

  it.each([
    ['wait=0', 'wait=0'],
    ['WAIT=0', 'wait=0'],
    ['respond-async, wait=0', 'wait=0'],
    ['wait=0, wait=30', 'wait=0'],
    ['wait="0"', 'wait=0'],
    ['wait = 0', 'wait=0'],
    ['wait=0; foo="bar, wait=7"', 'wait=0'],
    ['foo="a, wait=30, b", wait=0', 'wait=0'],
    ['return=minimal; wait=30, wait=00', 'wait=0'],
    [',,wait=0,', 'wait=0'],
    ['respond-async', undefined],
    ['return=representation', undefined],
    ['', undefined],
    ['waits=7', undefined],
    ['foo; wait=31', undefined],
  ])('with Prefer: %s is told %s', async (prefer, applied) => {
    await using house = await open();
    const answer = await house.report(prefer);
    expect([answer.status, answer.headers['preference-applied']]).toEqual([201, applied]);
  });

  it.each([
    'wait=31',
    'wait=-1',
    'wait=soon',
    'wait',
    'wait=',
    'wait=1.5',
    'wait=1e1',
    'wait=99999999999999999999',
    'wait=7 8',
    'wait="',
    'respond-async, wait=31',
  ])('with Prefer: %s is 400, and not even recorded', async (prefer) => {
    await using house = await open();
    const answer = await house.report(prefer);
    expect(answer.json()).toMatchObject({ status: 400, code: 'invalid_parameter', detail: expect.stringContaining('Prefer: wait') });
    expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
    expect(house.state.asked).toBe(0);
    for (const step of ['contain', 'resolve']) expect((await house.step(step, prefer)).status).toBe(400);
    expect(house.state.asked).toBe(0);
  });

  it('that joins, or was sent before, waits as any other, and is 200', async () => {
    for (const how of ['joined', 'replayed'] as const) {
      await using house = await open({ wait_ms: 30_000, how });
      const asked = house.report();
      await vi.waitFor(() => expect(house.waiting.size).toBe(1));
      house.move({ state: 'resolved', ...containment('releasing') });
      const answer = await asked;
      expect([answer.status, answer.headers['idempotent-replayed'], answer.json().state]).toEqual([
        200,
        how === 'replayed' ? 'true' : undefined,
        'resolved',
      ]);
    }
  });

  it('whose incident is no longer kept is answered with what was last known of it', async () => {
    await using house = await open({ wait_ms: 300 });
    const asked = house.report();
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.state.kept = null;
    house.bell.ring('incident 7');
    expect((await asked).json()).toMatchObject({ id: INCIDENT, containment: { status: 'requested' } });
  });

  it('in a batch does not wait', async () => {
    await using house = await open({ wait_ms: 30_000 });
    const text = `${JSON.stringify(aReport())}\n`;
    const headers = { authorization: `Bearer ${REPORTER.token}`, prefer: 'wait=30', 'content-length': String(text.length) };
    const { answer, ms } = await timed(exchange(house.doors.port, requestText('POST', `${API}/reports`, { headers, body: text })));
    expect(answer.status).toBe(200);
    expect(ms).toBeLessThan(5_000);
  });
});

describe('a step', () => {
  it('waits only where that is asked for', async () => {
    await using house = await open({ wait_ms: 30_000 });
    for (const step of ['contain', 'resolve', 'acknowledge', 'reopen']) {
      const { answer, ms } = await timed(house.step(step));
      expect([answer.status, answer.headers['preference-applied']]).toEqual([200, undefined]);
      expect(ms).toBeLessThan(5_000);
    }
  });

  it('contain waits until it is contained, resolve until all is released', async () => {
    await using house = await open();
    const contain = house.step('contain', 'wait=30');
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.move({ state: 'contained', ...containment('accepted') });
    expect((await contain).json()).toMatchObject({ state: 'contained', audit: RECEIPT });

    await using other = await open({ begins: { state: 'resolved', ...containment('releasing') } });
    const resolve = other.step('resolve', 'wait=30');
    await vi.waitFor(() => expect(other.waiting.size).toBe(1));
    other.move({ state: 'resolved', ...containment('released') });
    const answer = await resolve;
    expect(answer.headers['preference-applied']).toBe('wait=30');
    expect(answer.json()).toMatchObject({ state: 'resolved', containment: { status: 'released' } });
  });

  it("of another kind has nothing to wait for: the preference is nobody's", async () => {
    await using house = await open();
    for (const step of ['acknowledge', 'reopen']) {
      const answer = await house.step(step, 'wait=31');
      expect([answer.status, answer.headers['preference-applied']]).toEqual([200, undefined]);
    }
  });
});

describe('those who wait', () => {
  it('are four of a token and sixteen in all: over that the wait is cut short, not the report', async () => {
    await using house = await open({ max: 6, maxEach: 4 });
    const connections = await Promise.all(Array.from({ length: 6 }, async () => connectRaw(house.doors.port)));
    try {
      for (let i = 0; i < 4; i += 1) connections[i]?.send(house.reportText('wait=30'));
      await vi.waitFor(() => expect(house.waiting.size).toBe(4));
      const fifth = await timed(house.report('wait=30'));
      // It was not waited for, and so it is not said that it was.
      expect([fifth.answer.status, fifth.answer.headers['preference-applied']]).toEqual([201, undefined]);
      expect(fifth.ms).toBeLessThan(5_000);
      for (let i = 4; i < 6; i += 1) {
        const text = JSON.stringify({ id: INCIDENT });
        const headers = {
          authorization: `Bearer ${i === 4 ? OPERATOR.token : ROLE_TOKENS.admin.token}`,
          prefer: 'wait=30',
          'content-length': String(text.length),
        };
        connections[i]?.send(requestText('POST', `${API}/contain`, { headers, body: text }));
      }
      await vi.waitFor(() => expect(house.waiting.size).toBe(6));
      const seventh = await house.step('resolve', 'wait=30');
      expect([seventh.status, seventh.headers['preference-applied']]).toEqual([200, undefined]);
      connections[0]?.socket.destroy();
      await vi.waitFor(() => expect(house.waiting.size).toBe(5));
      house.move({ state: 'contained', ...containment('enforced') });
      for (const connection of connections.slice(1)) expect((await connection.answer()).json().state).toBe('contained');
    } finally {
      for (const connection of connections) connection[Symbol.dispose]();
    }
    expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]);
  });

  it('are given up when their clients leave, whose report stays what it is', async () => {
    await using house = await open();
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      using connection = await connectRaw(house.doors.port);
      connection.send(house.reportText('wait=30'));
      await vi.waitFor(() => expect(house.waiting.size).toBe(1));
      connection.socket[leave]();
      await vi.waitFor(() => expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]));
    }
    expect(house.state.asked).toBe(3);
    expect(house.doors.logged).toEqual([]);
  });

  it('are given up when they send another request meanwhile, as every connection is', async () => {
    await using house = await open();
    using connection = await connectRaw(house.doors.port);
    connection.send(house.reportText('wait=30'));
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    connection.send(house.reportText('wait=30'));
    await connection.closed();
    await vi.waitFor(() => expect(house.waiting.size).toBe(0));
    expect(house.state.asked).toBe(1);
  });

  it('are all answered at once when the service ends, each with the incident as it is', async () => {
    await using house = await open();
    const asked = [house.report('wait=30'), house.report('wait=30'), house.step('contain', 'wait=30')];
    await vi.waitFor(() => expect(house.waiting.size).toBe(3));
    const began = performance.now();
    house.waiting.close();
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 200]);
    expect(answers.map((answer) => answer.json().containment.status)).toEqual(['requested', 'requested', 'requested']);
    expect((await house.report('wait=30')).status).toBe(201);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
