// Holds over HTTP: the list, one of them, and what an operator may do to it; with a recorder that says what it was asked.

import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../../src/errors.ts';
import type { Hold } from '../../../src/incident/hold.ts';
import { type HoldParts, holdRoutes } from '../../../src/http/routes/holds.ts';
import { openDoors } from '../../support/doors.ts';
import { aHold, holdId, newestFirst, pagesOf } from '../../support/held.ts';
import type { Parsed } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/holds';
const RECEIPT = { seq: 42, hash: 'a'.repeat(64) };

async function open(holds: readonly Hold[] = [aHold(1)], ids: readonly string[] = ['INC-20260313-aaaaaa']) {
  const asked: Parsed[] = [];
  const filters: Parsed[] = [];
  const given: { error: Error | null; replayed: boolean } = { error: null, replayed: false };
  const parts: HoldParts = {
    store: {
      holds: {
        byId: (id) => holds.find((hold) => hold.id === id) ?? null,
        list(filter, before, limit) {
          filters.push(filter);
          return newestFirst(holds, before, limit);
        },
        reach: () => null,
        owners: (_, limit) => ({ count: ids.length, ids: ids.slice(0, limit) }),
      },
    },
    recorder: {
      async hold(step, request) {
        asked.push({ step, ...request });
        if (given.error) throw given.error;
        return { hold: aHold(1, { status: 'releasing', ending: 'released', version: 99 }), receipt: RECEIPT, replayed: given.replayed };
      },
    },
  };
  const doors = await openDoors(() => holdRoutes(parts));
  return { doors, asked, filters, given, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() };
}

describe('a hold', () => {
  it('is shown whole, with its owners and its version as ETag', async () => {
    const ids = Array.from({ length: 130 }, (_, i) => `INC-20260313-${String(i).padStart(6, '0')}`);
    await using house = await open([aHold(7, { params: { limit: 5, window: 120 }, expires_at: '2026-03-13T10:00:00.000Z' })], ids);
    const answer = await house.doors.get(`${API}/${holdId(7)}`).expect(200);
    expect(answer.headers['etag']).toBe('"8"');
    expect(answer.body).toEqual({
      ...{ id: holdId(7), action: 'freeze_agent', target: 'agent:*', params: { limit: 5, window: 120 }, status: 'requested' },
      ...{ actuator: 'agent', attempts: 0, error: null, completed_at: null, owners: { count: 130, ids: ids.slice(0, 100) } },
      ...{ rule: 'prompt_injection', source: 'tool-firewall', incident_id: 'INC-20260313-1f0c9a7be2d4' },
      ...{ created_at: '2026-03-13T08:15:30.123Z', expires_at: '2026-03-13T10:00:00.000Z', ending: null, released_at: null },
    });
  });

  it('that is not there is 404, and takes no parameters', async () => {
    await using house = await open();
    const answer = await house.doors.get(`${API}/${holdId(9)}`).expect(404);
    expect(answer.body).toMatchObject({ code: 'not_found', detail: 'there is no such hold' });
    expect(faultOfProblem(answer)).toBeNull();
    await house.doors.get(`${API}/${holdId(1)}?verbose`).expect(400);
  });

  it.each(['HLD-00000000000', 'HLD-0000000000001', 'HLD-00000000000G', 'hld-000000000001', 'CMD-000000000001', '1', "HLD-00000000000'"])(
    'is not called %s: that is no path',
    async (id) => {
      await using house = await open();
      expect((await house.doors.get(`${API}/${encodeURIComponent(id)}`).expect(404)).body.detail).toBe('there is no such path');
    },
  );
});

describe('the list of holds', () => {
  const many = Array.from({ length: 23 }, (_, i) => aHold(i + 1));

  it.each([1, 5, 22, 23, 24, 200])('of %i at a time leads from the newest to the oldest, each once, and then ends', async (limit) => {
    await using house = await open(many);
    const pages = await pagesOf((path) => house.doors.get(path), `${API}?limit=${limit}`);
    expect(pages.flat()).toEqual(many.map(({ id }) => id).toReversed());
    expect(pages).toHaveLength(Math.ceil(23 / limit));
  });

  it('is of those that are not over, unless it is asked otherwise', async () => {
    await using house = await open();
    await house.doors.get(API).expect(200);
    await house.doors.get(`${API}?status=released,expired&status=failed&action=block_ip&actuator=firewall,agent`).expect(200);
    expect(house.filters).toEqual([
      { status: null, action: null, actuator: null },
      { status: ['released', 'expired', 'failed'], action: ['block_ip'], actuator: ['firewall', 'agent'] },
    ]);
  });

  it('is an empty array when there are none', async () => {
    await using house = await open([]);
    expect((await house.doors.get(API).expect(200)).text).toBe('[]');
  });

  it('ends a page that grows too long, and goes on behind its next', async () => {
    const fat = many.map((hold) => ({ ...hold, error: 'x'.repeat(60_000) }));
    await using house = await open(fat);
    const first = await house.doors.get(`${API}?limit=200`).expect(200);
    expect(first.text.length).toBeLessThan(600 * 1024);
    const pages = await pagesOf((path) => house.doors.get(path), `${API}?limit=200`);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(fat.map(({ id }) => id).toReversed());
  });

  it('gives out cursors that are good for it alone', async () => {
    await using house = await open(many);
    const first = await house.doors.get(`${API}?limit=2&status=failed`).expect(200);
    const cursor = /cursor=([\w-]+)/.exec(first.headers['link'] ?? '')?.[1];
    await house.doors.get(`${API}?status=failed&limit=200&cursor=${cursor}`).expect(200);
    for (const other of ['', 'status=drifted', 'status=failed&action=block_ip', 'status=failed&actuator=x']) {
      expect((await house.doors.get(`${API}?${other}&cursor=${cursor}`).expect(400)).body.code).toBe('invalid_parameter');
    }
  });

  it.each([
    ['status=gone', /status must be one of failed, drifted/],
    ['status=', /status must be one of/],
    ['status=Released', /did you mean "released"/],
    ['action=freeze', /action must be one of/],
    ['action=constructor', /action must be one of/],
    ['limit=0', /limit must be a whole number from 1 to 200/],
    ['limit=201', /limit must be/],
    ['cursor=abc', /cursor is not a cursor/],
    ['hold=1', /hold is not a known parameter/],
    [`actuator=${'a,'.repeat(64)}`, /at most 64/],
  ])('is refused with ?%s', async (query, detail) => {
    await using house = await open();
    const answer = await house.doors.get(`${API}?${query}`).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_parameter', detail: expect.stringMatching(detail) });
    expect(house.filters).toEqual([]);
  });
});

describe('a step of a hold', () => {
  const path = (step: string, seq = 1) => `${API}/${holdId(seq)}/${step}`;

  it.each(['release', 'apply'])('%s is asked of the recorder with all that came with it', async (step) => {
    await using house = await open();
    const answer = await house.doors
      .post(path(step), { note: ' by hand ' }, ROLE_TOKENS.operator.token)
      .set('If-Match', '"7", "8"')
      .set('Idempotency-Key', 'once')
      .expect(200);
    expect(house.asked).toMatchObject([
      {
        step,
        id: holdId(1),
        note: 'by hand',
        expires_at: null,
        ttl_ms: null,
        ifMatch: [7, 8],
        caller: { name: 'operator', actor: 'operator:operator' },
      },
    ]);
    expect(house.asked[0].mark).toMatchObject({ token: 'operator' });
    expect(answer.headers['etag']).toBe('"99"');
    expect(answer.headers['idempotent-replayed']).toBeUndefined();
    expect(answer.body).toMatchObject({ id: holdId(1), status: 'releasing', owners: { count: 1 }, audit: RECEIPT });
  });

  it.each(['release', 'apply'])('%s needs no body, and null is no note', async (step) => {
    await using house = await open();
    await house.doors.post(path(step)).expect(200);
    await house.doors.post(path(step), {}).expect(200);
    await house.doors.post(path(step), { note: null }).expect(200);
    for (const request of house.asked) expect(request).toMatchObject({ note: null, ifMatch: null, mark: null });
  });

  it('that was done before is told from one that was done now', async () => {
    await using house = await open();
    house.given.replayed = true;
    const answer = await house.doors.post(path('release'), {}).set('Idempotency-Key', 'once').expect(200);
    expect(answer.headers['idempotent-replayed']).toBe('true');
  });

  it.each([
    [{ ttl: '2h' }, 7_200_000, null],
    [{ ttl: '90s', note: 'x' }, 90_000, null],
    [{ ttl: '366d' }, 366 * 86_400_000, null],
    [{ ttl: '5m', expires_at: null }, 300_000, null],
    [{ expires_at: '2026-03-14T08:00:00Z' }, null, '2026-03-14T08:00:00.000Z'],
    [{ expires_at: '2026-03-14T08:00:00.5+02:00', ttl: null }, null, '2026-03-14T06:00:00.500Z'],
    [{ expires_at: '2026-03-14' }, null, '2026-03-14T00:00:00.000Z'],
  ])('extend takes %j', async (body, ttl_ms, expires_at) => {
    await using house = await open();
    await house.doors.post(path('extend'), body).expect(200);
    expect(house.asked).toMatchObject([{ step: 'extend', ttl_ms, expires_at }]);
  });

  it.each<[string, unknown, string]>([
    ['neither end', {}, ''],
    ['both ends', { ttl: '2h', expires_at: '2026-03-14T08:00:00Z' }, ''],
    ['neither, by null', { ttl: null, expires_at: null }, ''],
    ['no time at all', { ttl: '0s' }, '/ttl'],
    ['a time without unit', { ttl: '30' }, '/ttl'],
    ['a number', { ttl: 30 }, '/ttl'],
    ['a time that is negative', { ttl: '-5m' }, '/ttl'],
    ['a ladder', { ttl: ['1h', '4h'] }, '/ttl'],
    ['a time with a fraction', { ttl: '1.5h' }, '/ttl'],
    ['more than a year', { ttl: '367d' }, '/ttl'],
    ['a time beyond all numbers', { ttl: '999999999d' }, '/ttl'],
    ['an instant without offset', { expires_at: '2026-03-14T08:00:00' }, '/expires_at'],
    ['a day that is none', { expires_at: '2026-02-30' }, '/expires_at'],
    ['an instant in milliseconds', { expires_at: 1_773_360_000_000 }, '/expires_at'],
    ['a year of six digits', { expires_at: '+275760-09-13T00:00:00Z' }, '/expires_at'],
    ['a year of five digits in UTC', { expires_at: '9999-12-31T23:59:59-01:00' }, '/expires_at'],
    ['a word', { expires_at: 'never' }, '/expires_at'],
    ['an unknown field', { ttl: '2h', until: 'x' }, '/until'],
    ['a blank note', { ttl: '2h', note: ' ' }, '/note'],
    ['a note of 4,097 characters', { ttl: '2h', note: 'x'.repeat(4097) }, '/note'],
  ])('extend with %s is 400, and nobody is asked', async (_, body, pointer) => {
    await using house = await open();
    const answer = await house.doors.post(path('extend'), body).expect(400);
    expect(answer.body.code).toBe('invalid_request');
    expect(answer.body.errors.map((fault: Parsed) => fault.pointer)).toContain(pointer);
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.asked).toEqual([]);
  });

  it.each([
    ['an end', { ttl: '2h' }],
    ['an id', { id: holdId(1) }],
    ['a blank note', { note: '' }],
    ['a list', []],
    ['a lone surrogate', { note: '\ud800' }],
  ])('release and apply with %s are 400', async (_, body) => {
    await using house = await open();
    for (const step of ['release', 'apply']) await house.doors.post(path(step), body).expect(400);
    expect(house.asked).toEqual([]);
  });

  it.each([
    ['not_found', 404],
    ['state_conflict', 409],
    ['precondition_failed', 412],
    ['idempotency_mismatch', 422],
  ] as const)('that the recorder refuses as %s is %i', async (code, status) => {
    await using house = await open();
    house.given.error = new RecorderError(code, 'no');
    for (const step of ['release', 'apply']) {
      const answer = await house.doors.post(path(step), {}).expect(status);
      expect(faultOfProblem(answer)).toBeNull();
    }
  });
});

describe('who may', () => {
  it('see holds: readers; do something to them: operators; the door is closed without a token', async () => {
    await using house = await open();
    const { reporter, reader, operator, admin, actuator } = ROLE_TOKENS;
    for (const path of [API, `${API}/${holdId(1)}`]) {
      await house.doors.get(path, null).expect(401);
      for (const { token } of [reporter, actuator]) await house.doors.get(path, token).expect(403);
      for (const { token } of [reader, operator, admin]) await house.doors.get(path, token).expect(200);
    }
    for (const step of ['release', 'apply', 'extend']) {
      await house.doors.post(`${API}/${holdId(1)}/${step}`, { ttl: 7 }, null).expect(401);
      for (const { token } of [reporter, reader, actuator])
        await house.doors.post(`${API}/${holdId(1)}/${step}`, { ttl: 7 }, token).expect(403);
    }
    expect(house.asked).toEqual([]);
    for (const { token } of [operator, admin]) await house.doors.post(`${API}/${holdId(1)}/release`, {}, token).expect(200);
  });
});
