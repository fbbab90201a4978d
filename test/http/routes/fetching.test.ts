// Fetching commands: what is due, in order, from where one has read; and the wait for the next, which never outlives its client.

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Command } from '../../../src/incident/command.ts';
import { fetchingRoutes } from '../../../src/http/routes/fetching.ts';
import { createWaitingRoom } from '../../../src/http/waiting.ts';
import { OTHER_ACTUATOR, createTestBell, openDoors } from '../../support/doors.ts';
import { aCommand, anActuator, commandId, policyWith } from '../../support/held.ts';
import { type Parsed, connectRaw, exchange, requestText } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/actuators/agent/commands';
const { actuator: ACTUATOR } = ROLE_TOKENS;
const AUTHORIZED = { authorization: `Bearer ${ACTUATOR.token}` };
const NOW = Date.parse('2026-03-13T08:15:31.000Z');
const at = (ms: number) => new Date(NOW + ms).toISOString();

async function open(first: readonly Command[] = [], { max = 8, maxEach = 4 } = {}) {
  const bell = createTestBell();
  const state = { commands: [...first], looks: 0, now: () => new Date(NOW) };
  const isHeld = ({ not_before }: Command) => Date.parse(not_before) > state.now().getTime();
  const waiting = createWaitingRoom({ bell, max, maxEach });
  const doors = await openDoors(({ refusals }) =>
    fetchingRoutes({
      ...{ refusals, waiting, policy: () => policyWith(anActuator('agent'), anActuator('airlock')) },
      store: {
        commands: {
          open(actuator, after, limit) {
            state.looks += 1;
            return state.commands
              .filter((command) => command.actuator === actuator && command.seq > after && !isHeld(command))
              .toSorted((a, b) => a.seq - b.seq)
              .slice(0, limit);
          },
          heldBack(actuator, after) {
            const held = state.commands.filter((command) => command.actuator === actuator && command.seq > after && isHeld(command));
            return held.length === 0 ? null : Math.min(...held.map(({ seq }) => seq));
          },
        },
      },
      delivery: {
        view: (id) => (id === commandId(9) ? { attempts: 2, last_error: null, next_attempt_at: null } : null),
        told: ({ id, seq }, attempt) => ({ command_id: id, seq, attempt }),
      },
    }),
  );
  return {
    ...{ doors, state, bell, waiting },
    get: async (query = '', token = ACTUATOR.token) => doors.get(`${API}${query}`, token),
    give(...commands: readonly Command[]) {
      state.commands.push(...commands);
      bell.ring('actuator agent');
    },
    [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose](),
  };
}

const seqs = (body: Parsed) => body.commands.map(({ seq }: Parsed) => seq);

describe('fetching', () => {
  it('gives what is open for it, oldest first, in the form in which it would be sent, and from where to go on', async () => {
    await using house = await open([aCommand(9), aCommand(5), aCommand(7, { actuator: 'airlock' })]);
    const answer = await house.get();
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      commands: [
        { command_id: commandId(5), seq: 5, attempt: 1 },
        { command_id: commandId(9), seq: 9, attempt: 3 },
      ],
      after: 9,
    });
    expect((await house.get('?after=5')).body).toMatchObject({ commands: [{ seq: 9 }], after: 9 });
    expect((await house.get('?after=9')).body).toEqual({ commands: [], after: 9 });
    expect((await house.get('?after=0&wait=0')).body.after).toBe(9);
    expect((await house.get('?after=1000')).body).toEqual({ commands: [], after: 1000 });
  });

  it('can be done again from any place: what has no result is given again', async () => {
    await using house = await open([aCommand(5)]);
    for (let i = 0; i < 3; i += 1) expect(seqs((await house.get('?after=0')).body)).toEqual([5]);
  });

  it('gives a hundred at a time, and the rest behind them', async () => {
    await using house = await open(Array.from({ length: 250 }, (_, i) => aCommand(i + 1)));
    const found: number[] = [];
    for (const length of [100, 100, 50, 0]) {
      const { body } = await house.get(`?after=${found.at(-1) ?? 0}`);
      expect(seqs(body)).toHaveLength(length);
      found.push(...seqs(body));
    }
    expect(found).toEqual(Array.from({ length: 250 }, (_, i) => i + 1));
  });

  it('passes over what must not be done yet, holds nothing else up for it, and forgets nothing', async () => {
    await using house = await open([aCommand(1), aCommand(2, { not_before: at(60_000) }), aCommand(3), aCommand(4, { not_before: at(1) })]);
    const first = (await house.get()).body;
    expect([seqs(first), first.after]).toEqual([[1, 3], 1]);
    house.state.now = () => new Date(NOW + 60_000);
    const later = (await house.get(`?after=${first.after}`)).body;
    expect([seqs(later), later.after]).toEqual([[2, 3, 4], 4]);
  });

  it.each([
    ['after=-1', /after must be a whole number/],
    ['after=x', /after must be/],
    ['after=9007199254740992', /after must be/],
    ['after=1&after=2', /after must be given once/],
    ['wait=31', /wait must be a whole number from 0 to 30/],
    ['wait=-1', /wait must be/],
    ['wait=1.5', /wait must be/],
    ['wait=', /wait must be/],
    ['limit=5', /limit is not a known parameter/],
  ])('is refused with ?%s, at once', async (query, detail) => {
    await using house = await open();
    const answer = await house.get(`?${query}`);
    expect(answer.body).toMatchObject({ status: 400, code: 'invalid_parameter', detail: expect.stringMatching(detail) });
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.waiting.size).toBe(0);
  });

  it('is for the actuator itself, and for the service token', async () => {
    await using house = await open([aCommand(5)]);
    expect((await house.doors.get(API, null)).status).toBe(401);
    for (const role of ['reporter', 'reader', 'operator', 'admin'] as const)
      expect((await house.get('', ROLE_TOKENS[role].token)).status).toBe(403);
    expect((await house.get('?wait=30', OTHER_ACTUATOR)).status).toBe(403);
    expect((await house.doors.get(API)).status).toBe(200);
    expect((await house.doors.get('/api/v1/actuators/nobody/commands?wait=30')).status).toBe(404);
  });
});

describe('the wait', () => {
  it('ends with the next command, and is none where there is one', async () => {
    await using house = await open();
    const waiting = house.get('?wait=30').then(({ body }) => body);
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.bell.ring('actuator airlock');
    house.give(aCommand(5));
    expect(await waiting).toMatchObject({ commands: [{ seq: 5 }], after: 5 });
    expect(seqs((await house.get('?wait=30')).body)).toEqual([5]);
    expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]);
  });

  it('goes on when it rings for what is no command', async () => {
    await using house = await open([aCommand(5)]);
    const waiting = house.get('?wait=30&after=5').then(({ body }) => body);
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    for (let i = 0; i < 5; i += 1) {
      house.bell.ring('actuator agent');
      await house.get();
    }
    expect(house.waiting.size).toBe(1);
    house.give(aCommand(6));
    expect(await waiting).toMatchObject({ commands: [{ seq: 6 }], after: 6 });
  });

  it('is over with its time, and answers that there is nothing', async () => {
    await using house = await open();
    const began = performance.now();
    expect((await house.get('?wait=1&after=3')).body).toEqual({ commands: [], after: 3 });
    expect(performance.now() - began).toBeGreaterThan(990);
  });

  it('ends when what must wait may be done', async () => {
    await using house = await open([aCommand(5, { not_before: at(300) })]);
    const asked = house.get('?wait=30');
    const answered = asked.then(({ body }) => body);
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.bell.ring('actuator agent');
    await vi.waitFor(() => expect(house.state.looks).toBeGreaterThan(1));
    expect(house.waiting.size).toBe(1);
    house.state.now = () => new Date(NOW + 300);
    house.bell.ring('actuator agent');
    expect(await answered).toMatchObject({ commands: [{ seq: 5 }], after: 5 });
  });

  it('is given up at once when its client leaves, by FIN or by reset', async () => {
    await using house = await open();
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      using connection = await connectRaw(house.doors.port);
      connection.send(requestText('GET', `${API}?wait=30`, { headers: AUTHORIZED }));
      await vi.waitFor(() => expect(house.waiting.size).toBe(1));
      connection.socket[leave]();
      await vi.waitFor(() => expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]));
    }
    expect(house.doors.logged).toEqual([]);
  });

  it('of one actuator is four times at once, and of all eight times: over that it is cut short, not refused', async () => {
    await using house = await open();
    const connections = await Promise.all(Array.from({ length: 9 }, async () => connectRaw(house.doors.port)));
    try {
      const ask = (i: number, name: string, headers: Record<string, string>) =>
        connections[i]?.send(requestText('GET', `/api/v1/actuators/${name}/commands?wait=30`, { headers }));
      for (let i = 0; i < 4; i += 1) ask(i, 'agent', AUTHORIZED);
      await vi.waitFor(() => expect(house.waiting.size).toBe(4));
      expect((await house.get('?wait=30')).body).toEqual({ commands: [], after: 0 });
      for (let i = 4; i < 8; i += 1) ask(i, 'airlock', { authorization: `Bearer ${OTHER_ACTUATOR}` });
      await vi.waitFor(() => expect(house.waiting.size).toBe(8));
      ask(8, 'airlock', { authorization: `Bearer ${OTHER_ACTUATOR}` });
      expect((await connections[8]?.answer())?.json()).toEqual({ commands: [], after: 0 });
      connections[0]?.socket.destroy();
      await vi.waitFor(() => expect(house.waiting.size).toBe(7));
      ask(8, 'agent', AUTHORIZED);
      await vi.waitFor(() => expect(house.waiting.size).toBe(8));
      house.give(aCommand(5));
      expect((await connections[8]?.answer())?.json()).toMatchObject({ commands: [{ seq: 5 }] });
    } finally {
      for (const connection of connections) connection[Symbol.dispose]();
    }
    await vi.waitFor(() => expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]));
  });

  it('ends at once for all when the service ends, and there is none from then on', async () => {
    await using house = await open([aCommand(5)]);
    const asked = [1, 2, 3].map(async () =>
      exchange(house.doors.port, requestText('GET', `${API}?wait=30&after=5`, { headers: AUTHORIZED })),
    );
    await vi.waitFor(() => expect(house.waiting.size).toBe(3));
    const began = performance.now();
    house.waiting.close();
    for (const answer of await Promise.all(asked)) expect(answer.json()).toEqual({ commands: [], after: 5 });
    expect((await house.get('?wait=30&after=5')).body).toEqual({ commands: [], after: 5 });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('does not keep a request that looks, and fails, from being answered', async () => {
    await using house = await open([aCommand(5, { not_before: at(300) })]);
    const asked = exchange(house.doors.port, requestText('GET', `${API}?wait=30`, { headers: AUTHORIZED }));
    await vi.waitFor(() => expect(house.waiting.size).toBe(1));
    house.state.now = () => {
      throw new Error('no clock');
    };
    house.bell.ring('actuator agent');
    expect((await asked).status).toBe(500);
    expect([house.waiting.size, house.bell.listening]).toEqual([0, 0]);
  });
});

describe('a client that owns its cursor', () => {
  it('gets every command in the end, and none before its time, whatever comes when', async () => {
    const arrival = fc.record({ delay: fc.constantFrom(0, 0, 0, 50, 500), gap: fc.integer({ min: 0, max: 40 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(arrival, { minLength: 1, maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 40, maxLength: 40 }),
        async (arrivals, rests) => {
          await using house = await open();
          const due = new Map<number, number>();
          let now = NOW;
          house.state.now = () => new Date(now);
          let after = 0;
          const given = new Set<number>();
          const fetchOnce = async () => {
            const { body } = await house.get(`?after=${after}`);
            for (const seq of seqs(body)) {
              expect(due.get(seq)).toBeLessThanOrEqual(now);
              given.add(seq);
              // Its result: it is open no more.
              house.state.commands = house.state.commands.filter((command) => command.seq !== seq);
            }
            expect(body.after).toBeGreaterThanOrEqual(after);
            after = body.after;
          };
          for (const [i, { delay, gap }] of arrivals.entries()) {
            due.set(i + 1, now + delay);
            house.state.commands.push(aCommand(i + 1, { not_before: new Date(now + delay).toISOString() }));
            now += gap;
            if ((rests[i] ?? 0) > 100) await fetchOnce();
          }
          for (const rest of rests.slice(0, 8)) {
            now += rest;
            await fetchOnce();
          }
          now += 1000;
          await fetchOnce();
          await fetchOnce();
          expect([...given].toSorted((a, b) => a - b)).toEqual([...due.keys()]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
