// Actuators over HTTP: which there are, what each is to make true, and its beats; only its own token acts for one.

import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Beat } from '../../../src/delivery/beat.ts';
import type { Hold } from '../../../src/incident/hold.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { type ActuatorParts, actuatorRoutes } from '../../../src/http/routes/actuators.ts';
import { OTHER_ACTUATOR, openDoors } from '../../support/doors.ts';
import { aHold, anActuator, holdId, policyWith } from '../../support/held.ts';
import { type Parsed, connectRaw, exchange, requestText } from '../../support/raw.ts';
import { ROLE_TOKENS, SECURITY_HEADERS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/actuators';
const DIGEST = 'd'.repeat(64);
const { actuator: ACTUATOR } = ROLE_TOKENS;

type Desired = (after: number, limit: number) => Hold[];

async function open(
  holds: readonly Hold[] | Desired = [],
  policy: Policy = policyWith(anActuator('agent', { heartbeat_ms: 30_000 }), anActuator('airlock')),
) {
  const beats: { actuator: string; beat: Beat }[] = [];
  const of: Desired = typeof holds === 'function' ? holds : (after, limit) => holds.filter(({ seq }) => seq > after).slice(0, limit);
  const parts: Omit<ActuatorParts, 'refusals' | 'log'> = {
    policy: () => policy,
    store: { holds: { desired: (name, after, limit) => (name === 'agent' ? of(after, limit) : []) } },
    delivery: {
      digest: async () => DIGEST,
      beat: async (actuator, beat) => void beats.push({ actuator, beat }),
      health: () => ({
        health: 'failing',
        pushed: new Map([['agent', { health: 'failing', breaker: 'open', oldest: '2026-03-13T08:15:30.123Z', last_error: 'no answer' }]]),
        pulled: new Map([['firewall', { health: 'ok', heard_at: '2026-03-13T08:15:31.000Z', boot_id: 'b' }]]),
      }),
    },
  };
  const doors = await openDoors(({ refusals, log }) => actuatorRoutes({ ...parts, refusals, log }));
  return { doors, beats, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() };
}

describe('the list of actuators', () => {
  it('tells of each what it does, how it is reached and how it does; of its secrets nothing', async () => {
    const policy = policyWith(
      anActuator('agent', {
        ...{ push: { over: 'unix', socket: '/run/agent.sock', path: '/api/v1/freeze?key=s3cr3t' }, secret: 'agent.key' },
        verify: { every_ms: 30_000, get: '/api/v1/state?key=s3cr3t', expect: { frozen: 's3cr3t' } },
      }),
      anActuator('airlock', {
        ...{
          push: { over: 'tcp', tls: false, host: '127.0.0.1', port: 8490, path: '/api/v1/disable' },
          dialect: 'secai',
          token: 's3cr3t.token',
        },
        actions: ['disable_airlock'],
      }),
      anActuator('firewall', { actions: [], heartbeat_ms: 30_000 }),
      anActuator('far', { actions: [], push: { over: 'tcp', tls: true, host: '[::1]', port: 443, path: '/' } }),
    );
    await using house = await open([], policy);
    const answer = await house.doors.get(API).expect(200);
    const common = {
      ...{ dialect: 'standard', deadline_ms: 5000, verify: null, heartbeat_ms: null, health: 'unknown' },
      ...{ breaker: null, last_error: null, waits_since: null, heard_at: null },
    };
    const [agent, airlock, firewall, far] = answer.body;
    expect(agent).toEqual({
      ...{
        ...common,
        name: 'agent',
        actions: ['freeze_agent'],
        reached: 'unix:/run/agent.sock:/api/v1/freeze',
        verify: { every_ms: 30_000 },
      },
      ...{ health: 'failing', breaker: 'open', last_error: 'no answer', waits_since: '2026-03-13T08:15:30.123Z' },
    });
    expect(airlock).toEqual({
      ...{ ...common, name: 'airlock', actions: ['disable_airlock'], reached: 'http://127.0.0.1:8490/api/v1/disable', dialect: 'secai' },
    });
    expect(firewall).toEqual({
      ...{
        ...common,
        name: 'firewall',
        actions: [],
        reached: 'pull',
        heartbeat_ms: 30_000,
        health: 'ok',
        heard_at: '2026-03-13T08:15:31.000Z',
      },
    });
    expect(far).toEqual({ ...common, name: 'far', actions: [], reached: 'https://[::1]:443/' });
    expect(answer.body).toHaveLength(4);
    expect(answer.text).not.toContain('s3cr3t');
    expect(answer.text).not.toContain('agent.key');
    await house.doors.get(`${API}?name=agent`).expect(400);
  });

  it('is empty where the policy names none', async () => {
    await using house = await open([], policyWith());
    expect((await house.doors.get(API).expect(200)).text).toBe('[]');
  });
});

describe('the desired set', () => {
  const path = `${API}/agent/desired`;
  const two = [
    aHold(1, { status: 'verified' }),
    aHold(2, { target: { type: 'agent', id: 'a"b' }, params: { n: 1 }, expires_at: '2026-03-14T00:00:00.000Z' }),
  ];
  const told = [
    { hold_id: holdId(1), action: 'freeze_agent', target: { type: 'agent', id: '*' }, params: {}, expires_at: null },
    {
      hold_id: holdId(2),
      action: 'freeze_agent',
      target: { type: 'agent', id: 'a"b' },
      params: { n: 1 },
      expires_at: '2026-03-14T00:00:00.000Z',
    },
  ];

  it('is all that is in force for it, with its digest as ETag', async () => {
    await using house = await open(two);
    const answer = await house.doors.get(path, ACTUATOR.token).expect(200);
    expect(answer.body).toEqual({ actuator: 'agent', digest: DIGEST, holds: told });
    expect(answer.headers['etag']).toBe(`"${DIGEST}"`);
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
  });

  it('may be empty', async () => {
    await using house = await open();
    expect((await house.doors.get(path).expect(200)).body).toEqual({ actuator: 'agent', digest: DIGEST, holds: [] });
  });

  it.each([`"${DIGEST}"`, `W/"${DIGEST}"`, `"0", "${DIGEST}"`, '*'])('is 304 for who has it: If-None-Match: %s', async (header) => {
    await using house = await open(two);
    const answer = await house.doors.get(path, ACTUATOR.token).set('If-None-Match', header).expect(304);
    expect(answer.headers['etag']).toBe(`"${DIGEST}"`);
    expect(answer.text).toBeFalsy();
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
  });

  it.each([`"${'0'.repeat(64)}"`, DIGEST, '""', 'W/*', `"${DIGEST} "`])('is 200 for who has another: If-None-Match: %s', async (header) => {
    await using house = await open(two);
    await house.doors.get(path, ACTUATOR.token).set('If-None-Match', header).expect(200);
  });

  it.each([100, 700, 5_000])('of %i holds is whole, however it is sent, and the connection goes on', async (count) => {
    const holds = Array.from({ length: count }, (_, i) => aHold(i + 1, { params: { note: 'x'.repeat(50) } }));
    await using house = await open(holds);
    const answer = await house.doors.get(path, ACTUATOR.token).expect(200);
    expect(answer.body.digest).toBe(DIGEST);
    expect(answer.body.holds.map(({ hold_id }: Parsed) => hold_id)).toEqual(holds.map(({ id }) => id));
    const head = await house.doors.get(path, ACTUATOR.token).set('If-None-Match', `"${DIGEST}"`);
    expect(head.status).toBe(304);
  });

  it.each([3, 5_000])('to HEAD is its headers alone, also of %i holds', async (count) => {
    await using house = await open(Array.from({ length: count }, (_, i) => aHold(i + 1)));
    using connection = await connectRaw(house.doors.port);
    connection.send(requestText('HEAD', path, { headers: { authorization: `Bearer ${ACTUATOR.token}`, connection: 'close' } }));
    const answer = await connection.answer({ bodiless: true });
    await connection.closed();
    expect([answer.status, answer.headers['etag'], connection.rest().length]).toEqual([200, `"${DIGEST}"`, 0]);
  });

  it('that cannot be read is 500; that cannot be read to its end cuts the connection, and both are logged', async () => {
    const broken =
      (upTo: number): Desired =>
      (after, limit) => {
        if (after >= upTo) throw new Error('the store is gone');
        return Array.from({ length: limit }, (_, i) => aHold(after + i + 1));
      };
    await using first = await open(broken(0));
    await first.doors.get(path).expect(500);
    await using later = await open(broken(5000));
    const answer = await fetch(`http://127.0.0.1:${later.doors.port}${path}`, { headers: { authorization: `Bearer ${ACTUATOR.token}` } });
    await expect(answer.text()).rejects.toThrow('terminated');
    await vi.waitFor(() =>
      expect(later.doors.logged).toMatchObject([{ level: 'error', message: 'a desired set was cut short', actuator: 'agent' }]),
    );
    expect(first.doors.logged).toMatchObject([{ level: 'error', message: 'a request failed' }]);
  });

  it('of a slow reader is not made before it is read; two at a time, and when one leaves there is room again', async () => {
    let made = 0;
    await using house = await open((after, limit) => {
      made += limit;
      return Array.from({ length: limit }, (_, i) => aHold(after + i + 1));
    });
    const ask = () => {
      const request = get({
        host: '127.0.0.1',
        port: house.doors.port,
        path,
        agent: false,
        headers: { authorization: `Bearer ${ACTUATOR.token}` },
      });
      request.on('response', (response) => response.pause().on('error', () => {}));
      return request.on('error', () => {});
    };
    const first = ask();
    const second = ask();
    await Promise.all([once(first, 'response'), once(second, 'response')]);
    await vi.waitFor(async () => {
      const before = made;
      await setTimeout(200);
      expect(made).toBe(before);
    }, 10_000);
    const third = await house.doors.get(path, ACTUATOR.token);
    expect(third.status).toBe(429);
    expect(third.headers['retry-after']).toBe('5');
    first.destroy();
    await vi.waitFor(async () => {
      const again = ask();
      const [response] = (await once(again, 'response')) as [{ statusCode: number }];
      again.destroy();
      expect(response.statusCode).toBe(200);
    }, 5000);
    second.destroy();
    expect(house.doors.logged).toEqual([]);
  });

  it('takes no parameters', async () => {
    await using house = await open();
    await house.doors.get(`${path}?after=1`).expect(400);
  });
});

describe('a heartbeat', () => {
  const path = `${API}/agent/heartbeat`;
  const beat = { desired_digest: DIGEST, holds: [holdId(1), holdId(2)], boot_id: 'b-1' };

  it('is handed on, and answered with what is wanted now and when the next is expected', async () => {
    await using house = await open();
    const answer = await house.doors.post(path, beat, ACTUATOR.token).expect(200);
    expect(answer.body).toEqual({ desired_digest: DIGEST, interval_ms: 30_000 });
    expect((await house.doors.post(`${API}/airlock/heartbeat`, {}).expect(200)).body).toEqual({
      desired_digest: DIGEST,
      interval_ms: null,
    });
    expect(house.beats[0]).toEqual({ actuator: 'agent', beat });
  });

  it.each([
    [{}, { desired_digest: null, holds: null, boot_id: null }],
    [
      { desired_digest: null, holds: null, boot_id: null },
      { desired_digest: null, holds: null, boot_id: null },
    ],
    [
      { desired_digest: `"${DIGEST}"`, holds: [] },
      { desired_digest: DIGEST, holds: [], boot_id: null },
    ],
  ])('may be %j', async (body, told) => {
    await using house = await open();
    await house.doors.post(path, body, ACTUATOR.token).expect(200);
    expect(house.beats).toEqual([{ actuator: 'agent', beat: told }]);
  });

  it('may name as many holds as 64 KiB have room for', async () => {
    await using house = await open();
    const holds = Array.from({ length: 3_400 }, (_, i) => holdId(i));
    await house.doors.post(path, { holds }, ACTUATOR.token).expect(200);
    expect(house.beats[0]?.beat.holds).toHaveLength(3_400);
    await house.doors.post(path, { holds: [...holds, ...holds.slice(0, 200)] }, ACTUATOR.token).expect(413);
  });

  it.each<[string, unknown, string]>([
    ['a hold that is none', { holds: ['HLD-1'] }, '/holds/0'],
    ['a command for a hold', { holds: [holdId(1), 'CMD-000000000001'] }, '/holds/1'],
    ['holds that are no list', { holds: { a: 1 } }, '/holds'],
    ['one hold', { holds: holdId(1) }, '/holds'],
    ['a hold with a line end', { holds: [`${holdId(1)}\n`] }, '/holds/0'],
    ['an empty digest', { desired_digest: '' }, '/desired_digest'],
    ['a digest with blanks', { desired_digest: 'a b' }, '/desired_digest'],
    ['a digest of 1,000 characters', { desired_digest: 'a'.repeat(1000) }, '/desired_digest'],
    ['a boot_id that turns the line', { boot_id: 'a\u202e' }, '/boot_id'],
    ['a boot_id of 129 characters', { boot_id: 'a'.repeat(129) }, '/boot_id'],
    ['an unknown field', { alive: true }, '/alive'],
  ])('with %s is 400, names the field, and is not handed on', async (_, body, pointer) => {
    await using house = await open();
    const answer = await house.doors.post(path, body, ACTUATOR.token).expect(400);
    expect(answer.body.errors.map((fault: Parsed) => fault.pointer)).toContain(pointer);
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.beats).toEqual([]);
  });

  it('with an Idempotency-Key that is none is 400', async () => {
    await using house = await open();
    await house.doors.post(path, {}, ACTUATOR.token).set('Idempotency-Key', 'a b').expect(400);
  });
});

describe('who may', () => {
  it('see actuators: readers; act for one: its own token, and the service token for any', async () => {
    await using house = await open();
    const { reporter, reader, operator, admin } = ROLE_TOKENS;
    await house.doors.get(API, null).expect(401);
    for (const { token } of [reporter, ACTUATOR]) await house.doors.get(API, token).expect(403);
    for (const { token } of [reader, operator, admin]) await house.doors.get(API, token).expect(200);
    await house.doors.get(`${API}/agent/desired`, null).expect(401);
    for (const { token } of [reporter, reader, operator, admin]) {
      await house.doors.get(`${API}/agent/desired`, token).expect(403);
      await house.doors.post(`${API}/agent/heartbeat`, {}, token).expect(403);
    }
    for (const name of ['agent', 'airlock']) {
      await house.doors.get(`${API}/${name}/desired`).expect(200);
      await house.doors.post(`${API}/${name}/heartbeat`, {}).expect(200);
    }
  });

  it('act for another one gets 403, whether there is such a one or not, and it is counted; for its own that is gone, 404', async () => {
    await using house = await open([], policyWith(anActuator('agent')));
    for (const name of ['airlock', 'agent', 'nobody']) {
      for (const { status, own } of [{ status: name === 'agent' ? 200 : 403, own: ACTUATOR.token }]) {
        await house.doors.get(`${API}/${name}/desired`, own).expect(status);
        await house.doors.post(`${API}/${name}/heartbeat`, {}, own).expect(status);
      }
    }
    expect(house.doors.denied).toEqual(['role', 'role', 'role', 'role']);
    const gone = await house.doors.get(`${API}/airlock/desired`, OTHER_ACTUATOR).expect(404);
    expect(gone.body.detail).toBe('the policy in force names no such actuator');
    expect(faultOfProblem(gone)).toBeNull();
    await house.doors.get(`${API}/nobody/desired`).expect(404);
  });

  it.each(['Agent', '1agent', 'a.b', 'a%2fb', 'x'.repeat(65), '..', ''])('act for %j: that is no path', async (name) => {
    await using house = await open();
    const answer = await exchange(
      house.doors.port,
      requestText('GET', `${API}/${name}/desired`, { headers: { authorization: `Bearer ${ACTUATOR.token}` } }),
    );
    expect(answer.json()).toMatchObject({ status: 404, detail: 'there is no such path' });
  });
});
