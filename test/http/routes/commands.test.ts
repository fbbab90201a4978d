// Commands over HTTP: the list, one of them, trying again, and what an actuator says came of it; with a recorder that says what it was asked.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../../src/errors.ts';
import type { Command } from '../../../src/incident/command.ts';
import { type CommandParts, commandRoutes } from '../../../src/http/routes/commands.ts';
import { OTHER_ACTUATOR, openDoors } from '../../support/doors.ts';
import { aCommand, aHold, commandId, holdId, newestFirst, pagesOf } from '../../support/held.ts';
import { type Parsed, exchange, requestText } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/commands';
const RECEIPT = { seq: 42, hash: 'a'.repeat(64) };
const { actuator: ACTUATOR, operator: OPERATOR } = ROLE_TOKENS;
const resultOf = (seq: number) => `${API}/${commandId(seq)}/result`;

async function open(commands: readonly Command[] = [aCommand(5)]) {
  const asked: Parsed[] = [];
  const heard: string[] = [];
  const filters: Parsed[] = [];
  const given: { error: Error | null; repeated: boolean; replayed: boolean; attempts: ReturnType<CommandParts['delivery']['view']> } = {
    ...{ error: null, repeated: false, replayed: false, attempts: null },
  };
  const parts: Omit<CommandParts, 'refusals'> = {
    store: {
      commands: {
        byId: (id) => commands.find((command) => command.id === id) ?? null,
        list(filter, before, limit) {
          filters.push(filter);
          return newestFirst(commands, before, limit);
        },
        reach: () => null,
      },
      holds: {
        byId: (id) => (id === holdId(7) ? aHold(7) : null),
        owners: () => ({ count: 2, ids: ['INC-20260313-aaaaaa', 'INC-20260313-bbbbbb'] }),
      },
    },
    recorder: {
      async result(id, result, from) {
        asked.push({ id, result, from });
        if (given.error) throw given.error;
        return { command: aCommand(5, { status: 'succeeded', open: false }), repeated: given.repeated };
      },
      async retry(request) {
        asked.push(request);
        if (given.error) throw given.error;
        return { command: aCommand(6, { reason: 'retried' }), receipt: RECEIPT, replayed: given.replayed };
      },
    },
    delivery: { view: () => given.attempts, heard: (actuator) => void heard.push(actuator) },
  };
  const doors = await openDoors(({ refusals }) => commandRoutes({ ...parts, refusals }));
  return { doors, asked, heard, filters, given, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() };
}

describe('a command', () => {
  it('is shown whole, with the incidents that own its hold', async () => {
    await using house = await open([
      aCommand(5, { params: { limit: 5 }, evidence: { at: [1, 2] }, status: 'succeeded', open: false, attempts: 3 }),
    ]);
    expect((await house.doors.get(`${API}/${commandId(5)}`).expect(200)).body).toEqual({
      ...{ id: commandId(5), seq: 5, op: 'apply', hold_id: holdId(1), action: 'freeze_agent', target: 'agent:*', params: { limit: 5 } },
      ...{ incident_id: 'INC-20260313-1f0c9a7be2d4', incidents: { count: 2, ids: ['INC-20260313-aaaaaa', 'INC-20260313-bbbbbb'] } },
      ...{
        actuator: 'agent',
        reason: 'ordered',
        status: 'succeeded',
        overdue: false,
        attempts: 3,
        error: null,
        evidence: { at: [1, 2] },
        late: null,
      },
      ...{ created_at: '2026-03-13T08:15:30.123Z', not_before: '2026-03-13T08:15:30.123Z', deadline_at: '2026-03-13T08:15:35.123Z' },
      ...{ completed_at: null, next_attempt_at: null },
    });
  });

  it('that is being sent shows how often, why it failed last and when it is tried next; one that has ended does not', async () => {
    await using house = await open([aCommand(5), aCommand(6, { open: false, status: 'failed', attempts: 4, error: 'timeout' })]);
    house.given.attempts = { attempts: 2, last_error: 'no answer', next_attempt_at: '2026-03-13T08:15:32.000Z' };
    expect((await house.doors.get(`${API}/${commandId(5)}`)).body).toMatchObject({
      ...{ status: 'pending', attempts: 2, error: 'no answer', next_attempt_at: '2026-03-13T08:15:32.000Z' },
    });
    expect((await house.doors.get(`${API}/${commandId(6)}`)).body).toMatchObject({
      ...{ status: 'failed', attempts: 4, error: 'timeout', next_attempt_at: null },
    });
  });

  it('that is overdue and tried again since a restart does not show fewer attempts than are recorded', async () => {
    await using house = await open([aCommand(5, { status: 'failed', overdue: true, attempts: 9, error: 'overdue' })]);
    house.given.attempts = { attempts: 1, last_error: null, next_attempt_at: null };
    expect((await house.doors.get(`${API}/${commandId(5)}`)).body).toMatchObject({ attempts: 9, error: 'overdue' });
  });

  it('that is not there is 404', async () => {
    await using house = await open();
    const answer = await house.doors.get(`${API}/${commandId(9)}`).expect(404);
    expect(answer.body.detail).toBe('there is no such command');
    expect(faultOfProblem(answer)).toBeNull();
    for (const id of ['CMD-00000000000', 'CMD-00000000000G', 'HLD-000000000001', 'cmd-000000000001'])
      expect((await house.doors.get(`${API}/${id}`).expect(404)).body.detail).toBe('there is no such path');
  });
});

describe('the list of commands', () => {
  const many = Array.from({ length: 23 }, (_, i) => aCommand(i + 1));

  it.each([1, 5, 23, 24])('of %i at a time leads from the newest to the oldest, each once', async (limit) => {
    await using house = await open(many);
    const pages = await pagesOf((path) => house.doors.get(path), `${API}?limit=${limit}`);
    expect(pages.flat()).toEqual(many.map(({ id }) => id).toReversed());
  });

  it('is narrowed by actuator, status and hold; a hold that is not there has none', async () => {
    await using house = await open();
    await house.doors.get(API).expect(200);
    await house.doors.get(`${API}?actuator=agent&status=pending,failed&hold=${holdId(7)}`).expect(200);
    await house.doors.get(`${API}?hold=${holdId(8)}`).expect(200);
    expect(house.filters).toEqual([
      { actuator: null, status: null, hold: null },
      { actuator: 'agent', status: ['pending', 'failed'], hold: 7 },
      { actuator: null, status: null, hold: 0 },
    ]);
  });

  it('gives out cursors that are good for it alone', async () => {
    await using house = await open(many);
    const first = await house.doors.get(`${API}?limit=2&hold=${holdId(8)}`).expect(200);
    const cursor = /cursor=([\w-]+)/.exec(first.headers['link'] ?? '')?.[1];
    await house.doors.get(`${API}?hold=${holdId(8)}&cursor=${cursor}`).expect(200);
    for (const other of ['', `hold=${holdId(9)}`, `hold=${holdId(8)}&status=failed`, `hold=${holdId(8)}&actuator=a`])
      await house.doors.get(`${API}?${other}&cursor=${cursor}`).expect(400);
  });

  it.each([
    ['status=sent', /status must be one of pending, accepted, succeeded, failed, superseded/],
    ['hold=1', /hold must be the id of a hold/],
    ['hold=', /hold must be the id of a hold/],
    [`hold=${holdId(1)}&hold=${holdId(2)}`, /hold must be given once/],
    ['actuator=a&actuator=b', /actuator must be given once/],
    ['limit=201', /limit must be/],
    ['op=apply', /op is not a known parameter/],
  ])('is refused with ?%s', async (query, detail) => {
    await using house = await open();
    const answer = await house.doors.get(`${API}?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringMatching(detail) });
  });
});

describe('trying again', () => {
  it('is asked of the recorder, and answers the command that is tried', async () => {
    await using house = await open();
    const answer = await house.doors
      .post(`${API}/${commandId(5)}/retry`, { note: 'it is back' }, OPERATOR.token)
      .set('Idempotency-Key', 'k')
      .expect(200);
    expect(house.asked).toMatchObject([
      { id: commandId(5), note: 'it is back', caller: { actor: 'operator:operator' }, mark: { token: 'operator' } },
    ]);
    expect(answer.body).toMatchObject({ id: commandId(6), reason: 'retried', audit: RECEIPT });
    house.given.replayed = true;
    const again = await house.doors.post(`${API}/${commandId(5)}/retry`).expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(house.asked[1]).toMatchObject({ note: null, mark: null });
  });

  it.each([
    ['not_found', 404],
    ['state_conflict', 409],
    ['idempotency_mismatch', 422],
    ['storage_failed', 503],
  ] as const)('that the recorder refuses as %s is %i', async (code, status) => {
    await using house = await open();
    house.given.error = new RecorderError(code, 'no');
    expect(faultOfProblem(await house.doors.post(`${API}/${commandId(5)}/retry`, {}).expect(status))).toBeNull();
  });

  it('with anything but a note is 400', async () => {
    await using house = await open();
    for (const body of [{ id: 1 }, { note: '' }, []]) await house.doors.post(`${API}/${commandId(5)}/retry`, body).expect(400);
    expect(house.asked).toEqual([]);
  });
});

describe('a result', () => {
  it.each([
    [{ status: 'accepted' }, { status: 'accepted', evidence: null, error: null }],
    [
      { status: 'enforced', evidence: { frozen: true, at: [1, { deep: null }] } },
      { status: 'enforced', evidence: { frozen: true, at: [1, { deep: null }] }, error: null },
    ],
    [
      { status: 'failed', error: ' no such agent ' },
      { status: 'failed', evidence: null, error: 'no such agent' },
    ],
    [
      { status: 'partial', error: 'x'.repeat(1024), evidence: {} },
      { status: 'partial', evidence: {}, error: 'x'.repeat(1024) },
    ],
    [
      { status: 'unsupported', error: null, evidence: null },
      { status: 'unsupported', evidence: null, error: null },
    ],
    [{ status: 'released' }, { status: 'released', evidence: null, error: null }],
  ])('%j is handed on as it was told, by whom, and answered with the command', async (body, result) => {
    await using house = await open();
    house.given.attempts = { attempts: 3, last_error: null, next_attempt_at: null };
    const answer = await house.doors.post(resultOf(5), body, ACTUATOR.token).expect(200);
    expect(house.asked).toEqual([
      { id: commandId(5), result, from: { actuator: 'agent', caller: { name: 'actuator', actor: 'actuator:actuator' }, attempts: 3 } },
    ]);
    expect(answer.body).toMatchObject({ id: commandId(5), status: 'succeeded' });
    expect(house.heard).toEqual(['agent']);
    expect(answer.headers['idempotent-replayed']).toBeUndefined();
  });

  it('that was told before is 200 again, and says so', async () => {
    await using house = await open();
    house.given.repeated = true;
    const answer = await house.doors.post(resultOf(5), { status: 'enforced' }, ACTUATOR.token).expect(200);
    expect(answer.headers['idempotent-replayed']).toBe('true');
    expect(house.asked[0].from.attempts).toBeNull();
  });

  it('of another actuator is 403, counted as a refused token, and not even asked of the recorder', async () => {
    await using house = await open();
    const answer = await house.doors.post(resultOf(5), { status: 'enforced' }, OTHER_ACTUATOR).expect(403);
    expect(answer.body).toMatchObject({ code: 'forbidden', detail: 'the token other does not act for this actuator' });
    expect(faultOfProblem(answer)).toBeNull();
    expect([house.asked, house.heard]).toEqual([[], []]);
    expect(house.doors.denied).toEqual(['role']);
  });

  it('may come with the service token for any actuator', async () => {
    await using house = await open([aCommand(5, { actuator: 'airlock' })]);
    await house.doors.post(resultOf(5), { status: 'enforced' }).expect(200);
    expect(house.asked).toMatchObject([{ from: { actuator: 'airlock', caller: { actor: 'service:service' } } }]);
  });

  it('of no command is 404', async () => {
    await using house = await open();
    for (const token of [ACTUATOR.token, OTHER_ACTUATOR]) {
      expect((await house.doors.post(resultOf(9), { status: 'enforced' }, token).expect(404)).body.detail).toBe('there is no such command');
    }
    expect(house.doors.denied).toEqual([]);
  });

  it('that contradicts another is 409', async () => {
    await using house = await open();
    house.given.error = new RecorderError('state_conflict', 'it has succeeded', { state: 'succeeded', allowed: [] });
    const answer = await house.doors.post(resultOf(5), { status: 'failed' }, ACTUATOR.token).expect(409);
    expect(answer.body).toMatchObject({ code: 'state_conflict', state: 'succeeded' });
    expect(faultOfProblem(answer)).toBeNull();
  });

  it.each<[string, unknown, string]>([
    ['nothing', {}, '/status'],
    ['a status that nobody knows', { status: 'banana' }, '/status'],
    ['a status in capitals', { status: 'ENFORCED' }, '/status'],
    ['a status of a command', { status: 'succeeded' }, '/status'],
    ['a status that objects have', { status: 'constructor' }, '/status'],
    ['no status', { status: null }, '/status'],
    ['evidence that is text', { status: 'enforced', evidence: 'yes' }, '/evidence'],
    ['evidence that is a list', { status: 'enforced', evidence: [1] }, '/evidence'],
    [
      'evidence of 65 keys',
      { status: 'enforced', evidence: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i])) },
      '/evidence',
    ],
    [
      'evidence nested 9 deep',
      { status: 'enforced', evidence: JSON.parse(`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`) },
      '/evidence/a/a/a/a/a/a/a/a',
    ],
    ['evidence with a string of 16 KiB and one', { status: 'enforced', evidence: { a: 'x'.repeat(16_385) } }, '/evidence/a'],
    ['evidence with NUL', { status: 'enforced', evidence: { a: '\0' } }, '/evidence/a'],
    ['evidence with a number that is not exact', { status: 'enforced', evidence: { a: 2 ** 53 } }, '/evidence/a'],
    ['an error of 1,025 characters', { status: 'failed', error: 'x'.repeat(1025) }, '/error'],
    ['an error that is an object', { status: 'failed', error: {} }, '/error'],
    ['an empty error', { status: 'failed', error: '' }, '/error'],
    ['a lone surrogate', { status: 'failed', error: '\ud800' }, '/error'],
    ['another command', { status: 'enforced', command_id: commandId(6) }, '/command_id'],
    ['the actuator', { status: 'enforced', actuator: 'agent' }, '/actuator'],
    ['attempts', { status: 'enforced', attempts: 1 }, '/attempts'],
  ])('with %s is 400, names the field, and nobody is asked', async (_, body, pointer) => {
    await using house = await open();
    const answer = await house.doors.post(resultOf(5), body, ACTUATOR.token).expect(400);
    expect(answer.body.code).toBe('invalid_request');
    expect(answer.body.errors.map((fault: Parsed) => fault.pointer)).toContain(pointer);
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.asked).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['HTML', '<html>ok</html>'],
    ['a word', 'enforced'],
    ['two values', '{"status":"enforced"}{"status":"failed"}'],
    ['__proto__', '{"status":"enforced","evidence":{"__proto__":{"a":1}}}'],
  ])('of %s is 400', async (_, text) => {
    await using house = await open();
    const headers = { authorization: `Bearer ${ACTUATOR.token}`, 'content-length': String(text.length) };
    const answer = await exchange(house.doors.port, requestText('POST', resultOf(5), { headers, body: text }));
    expect(answer.status).toBe(400);
    expect(house.asked).toEqual([]);
  });

  it('of 10 MB is 413', async () => {
    await using house = await open();
    const headers = { authorization: `Bearer ${ACTUATOR.token}`, 'content-length': String(10 * 1024 * 1024) };
    expect((await exchange(house.doors.port, requestText('POST', resultOf(5), { headers }))).status).toBe(413);
  });

  it('with an Idempotency-Key that is none is 400; with a good one it is what it is without', async () => {
    await using house = await open();
    await house.doors.post(resultOf(5), { status: 'enforced' }, ACTUATOR.token).set('Idempotency-Key', 'a b').expect(400);
    expect(house.asked).toEqual([]);
    await house.doors.post(resultOf(5), { status: 'enforced' }, ACTUATOR.token).set('Idempotency-Key', 'a').expect(200);
    expect(Object.keys(house.asked[0])).toEqual(['id', 'result', 'from']);
  });

  it('is refused in order: the token, the body, the command, whose it is, what it says', async () => {
    await using house = await open();
    house.given.error = new RecorderError('state_conflict', 'no');
    const bad = { status: 'banana' };
    const good = { status: 'enforced' };
    expect((await house.doors.post(resultOf(9), bad, null)).status).toBe(401);
    expect((await house.doors.post(resultOf(9), bad, OPERATOR.token)).status).toBe(403);
    expect((await house.doors.post(resultOf(9), bad, OTHER_ACTUATOR)).status).toBe(400);
    expect((await house.doors.post(resultOf(9), good, OTHER_ACTUATOR)).status).toBe(404);
    expect((await house.doors.post(resultOf(5), good, OTHER_ACTUATOR)).status).toBe(403);
    expect((await house.doors.post(resultOf(5), good, ACTUATOR.token)).status).toBe(409);
  });

  it('of any JSON is taken as it is or refused, and what is handed on is within the bounds', async () => {
    await using house = await open();
    const body = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          status: fc.constantFrom('accepted', 'enforced', 'failed', 'partial', 'unsupported', 'released', 'banana'),
          evidence: fc.jsonValue(),
          error: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        const before = house.asked.length;
        const text = JSON.stringify(value);
        const headers = { authorization: `Bearer ${ACTUATOR.token}`, 'content-length': String(Buffer.byteLength(text)) };
        const answer = await exchange(house.doors.port, requestText('POST', resultOf(5), { headers, body: text }));
        expect([200, 400]).toContain(answer.status);
        expect(house.asked.length - before).toBe(answer.status === 200 ? 1 : 0);
        if (answer.status !== 200) {
          expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
          return;
        }
        const { evidence, error } = house.asked.at(-1).result;
        expect(evidence === null || (typeof evidence === 'object' && !Array.isArray(evidence))).toBe(true);
        expect(error === null || (typeof error === 'string' && error.length <= 1024 && error.length > 0)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

describe('who may', () => {
  it('see commands: readers; try again: operators; say what came of one: its actuator, and nothing else', async () => {
    await using house = await open();
    const { reporter, reader, operator, admin, actuator } = ROLE_TOKENS;
    for (const path of [API, `${API}/${commandId(5)}`]) {
      await house.doors.get(path, null).expect(401);
      for (const { token } of [reporter, actuator]) await house.doors.get(path, token).expect(403);
      for (const { token } of [reader, operator, admin]) await house.doors.get(path, token).expect(200);
    }
    for (const { token } of [reporter, reader, actuator]) await house.doors.post(`${API}/${commandId(5)}/retry`, {}, token).expect(403);
    for (const { token } of [reporter, reader, operator, admin])
      await house.doors.post(resultOf(5), { status: 'enforced' }, token).expect(403);
    expect(house.asked).toEqual([]);
    expect(house.doors.denied).toEqual(Array.from({ length: 13 }, (_, i) => (i === 0 || i === 3 ? 'no token' : 'role')));
  });
});
