// The door: who comes in, in which order it is asked, and what becomes of those who do not.

import { type Server, createServer } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, createClock, openTestHouse, tokensFile, writeSecret } from '../support/house.ts';
import { type Parsed, connectRaw, exchange, requestText } from '../support/raw.ts';
import {
  type Ids,
  POLICY_OF_ALL,
  type PromisedRoute,
  ROLE_TOKENS,
  ROUTES,
  type Who,
  faultOfProblem,
  oneOfEach,
  pathOf,
} from '../support/routes.ts';

const ROLES = Object.keys(ROLE_TOKENS) as Who[];

async function call(house: TestHouse, route: PromisedRoute, id: string, authorization?: string, ids: Ids = {}) {
  const body = route.body ? JSON.stringify(route.body(id)) : '';
  const headers = {
    ...route.headers,
    ...(authorization !== undefined && { authorization }),
    ...(route.body && { 'content-type': route.type ?? 'application/json', 'content-length': String(body.length) }),
  };
  return exchange(house.port, requestText(route.method, pathOf(route, id, ids), { headers, body }));
}

/** Taken, or refused only for what stands already: the role was asked before. */
const TAKEN = [200, 201, 409, 412];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('a role', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse({ policy: POLICY_OF_ALL, tokens: ROLE_TOKENS, env: { REQUIRE_READ_TOKEN: '1', REPORT_WAIT_MS: '0' } });
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  describe.each(ROLES)('%s', (role) => {
    const routes = ROUTES.map((route) => Object.assign({ may: route.for.includes(role) ? 'may' : 'may not' }, route));
    it.each(routes)('$may $method $path', async (route) => {
      const ids = await oneOfEach(house);
      const report = await house.post('/api/v1/incidents/report', aReport(), ROLE_TOKENS.reporter.token).expect(201);
      const answer = await call(house, route, report.body.id, `Bearer ${ROLE_TOKENS[role].token}`, ids);
      if (route.for.includes(role)) {
        expect(TAKEN).toContain(answer.status);
      } else {
        expect(answer.json()).toMatchObject({ status: 403, code: 'forbidden', detail: expect.stringContaining(role) });
      }
    });
  });

  it('of none: the service token may do everything', async () => {
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    const ids = await oneOfEach(house);
    for (const route of ROUTES) {
      const { status } = await call(house, route, body.id, `Bearer ${SERVICE_TOKEN}`, ids);
      expect([route.path, TAKEN.includes(status), status]).toEqual([route.path, true, status]);
    }
  });

  it('reporter sees what it reported itself, and of the rest not even that it is there', async () => {
    const own = (await house.post('/api/v1/incidents/report', aReport(), ROLE_TOKENS.reporter.token)).body;
    const other = (await house.post('/api/v1/incidents/report', aReport())).body;
    const { token } = ROLE_TOKENS.reporter;
    const listed = (await house.get('/api/v1/incidents?limit=200', token).expect(200)).body;
    expect(listed.map(({ id }: Parsed) => id)).toContain(own.id);
    expect(new Set(listed.map(({ reported_by }: Parsed) => reported_by))).toEqual(new Set(['reporter']));
    const found = (await house.get('/api/v1/incidents?q=INSTRUCTIONS&limit=200', token).expect(200)).body;
    expect(new Set(found.map(({ reported_by }: Parsed) => reported_by))).toEqual(new Set(['reporter']));
    for (const path of ['/api/v1/incidents/', '/api/v1/incidents/get?id=']) {
      await house.get(`${path}${own.id}`, token).expect(200);
      const hidden = await house.get(`${path}${other.id}`, token).expect(404);
      const missing = await house.get(`${path}INC-20260313-000000000000`, token).expect(404);
      expect({ ...hidden.body, request_id: '' }).toEqual({ ...missing.body, request_id: '' });
    }
    await house.get(`/api/v1/incidents/${own.id}/timeline`, token).expect(200);
    await house.get(`/api/v1/incidents/${other.id}/timeline`, token).expect(404);
  });
});

describe('a token', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse({ tokens: ROLE_TOKENS });
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it('is needed: without one every route that is not open is 401 with WWW-Authenticate', async () => {
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    for (const route of ROUTES.filter(({ open }) => open === 'never')) {
      const answer = await call(house, route, body.id);
      expect([route.path, answer.status]).toEqual([route.path, 401]);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
    }
  });

  it.each([
    ['is empty', ''],
    ['is only the scheme', 'Bearer'],
    ['has the scheme in lower case', `bearer ${SERVICE_TOKEN}`],
    ['has the scheme in upper case', `BEARER ${SERVICE_TOKEN}`],
    ['stands behind two spaces', `Bearer  ${SERVICE_TOKEN}`],
    ['stands behind a tab', `Bearer\t${SERVICE_TOKEN}`],
    ['stands behind no space', `Bearer${SERVICE_TOKEN}`],
    ['comes as Basic', `Basic ${Buffer.from(`service:${SERVICE_TOKEN}`).toString('base64')}`],
    ['comes without a scheme', SERVICE_TOKEN],
    ['is the beginning of one', `Bearer ${SERVICE_TOKEN.slice(0, -1)}`],
    ['goes on behind one', `Bearer ${SERVICE_TOKEN}0`],
    ['goes on behind a space', `Bearer ${SERVICE_TOKEN} x`],
    ['has something in front', `Bearer 0${SERVICE_TOKEN}`],
    ['is in upper case', `Bearer ${SERVICE_TOKEN.toUpperCase()}`],
    ['is in quotes', `Bearer "${SERVICE_TOKEN}"`],
    ['is the SHA-256 that the file names', 'Bearer '.padEnd(71, 'a')],
    ['is not ASCII', `Bearer ${SERVICE_TOKEN.slice(0, -1)}\u00e9`],
    ['comes twice in one header', `Bearer ${SERVICE_TOKEN}, Bearer ${SERVICE_TOKEN}`],
  ])('that %s is 401, and nothing is recorded', async (_, authorization) => {
    const before = (await house.get('/api/v1/stats')).body.total_incidents;
    const body = JSON.stringify(aReport());
    const headers = { authorization, 'content-length': String(body.length) };
    const answer = await exchange(house.port, Buffer.from(requestText('POST', '/api/v1/incidents/report', { headers, body }), 'latin1'));
    expect(answer.json()).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(answer.body).not.toContain(SERVICE_TOKEN);
    // Some twenty refusals are an incident of the recorder's own: only what was reported counts here.
    const stats = (await house.get('/api/v1/stats')).body;
    expect(stats.total_incidents - (stats.by_class.unauthorized_access ?? 0)).toBeLessThanOrEqual(before);
    expect(house.records().filter(({ type, actor }) => type === 'incident.reported' && actor !== 'recorder')).toHaveLength(1);
  });

  it('that is good with blanks around the header is taken, as HTTP drops those', async () => {
    const answer = await exchange(
      house.port,
      `GET /api/v1/incidents?q=a HTTP/1.1\r\nhost: localhost\r\nauthorization:   Bearer ${SERVICE_TOKEN}  \r\n\r\n`,
    );
    expect(answer.status).toBe(200);
  });

  it('in the query, a cookie or the body is none', async () => {
    const headers = { cookie: `token=${SERVICE_TOKEN}`, 'x-api-key': SERVICE_TOKEN };
    const answer = await exchange(house.port, requestText('GET', `/api/v1/incidents?q=a&access_token=${SERVICE_TOKEN}`, { headers }));
    expect(answer.status).toBe(401);
    const posted = await house.http.post('/api/v1/incidents/report').send({ ...aReport(), token: SERVICE_TOKEN });
    expect(posted.status).toBe(401);
  });

  it('stops being good with the reload that drops it, and a new one is good from then on', async () => {
    const tokens = { alice: { token: 'a'.repeat(40), role: 'operator' } };
    const next = { bob: { token: 'b'.repeat(40), role: 'operator' } };
    await using own = await openTestHouse({ policy: 'version: 1\nrules: {}\n', tokens });
    await own.get('/api/v1/incidents?q=a', tokens.alice.token).expect(200);
    writeSecret(`${own.dir}/tokens.yaml`, tokensFile(next));
    await own.get('/api/v1/incidents?q=a', next.bob.token).expect(401);
    await own.post('/api/v1/reload', {}, tokens.alice.token).expect(200);
    await own.get('/api/v1/incidents?q=a', tokens.alice.token).expect(401);
    await own.get('/api/v1/incidents?q=a', next.bob.token).expect(200);
  });
});

describe('reads', () => {
  const OPEN = ROUTES.filter(({ open }) => open === 'on loopback');
  const ALWAYS = ROUTES.filter(({ open }) => open === 'always');

  async function statuses(house: TestHouse, routes: readonly PromisedRoute[]) {
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    return Promise.all(routes.map(async (route) => [route.path, (await call(house, route, body.id)).status]));
  }
  const all = (routes: readonly PromisedRoute[], status: number) => routes.map(({ path }) => [path, status]);

  it('of list, get and stats are open on loopback', async () => {
    await using house = await openTestHouse();
    expect(await statuses(house, OPEN)).toEqual(all(OPEN, 200));
  });

  it('need a token where REQUIRE_READ_TOKEN=1 says so, but health and problems never do', async () => {
    await using house = await openTestHouse({ env: { REQUIRE_READ_TOKEN: '1' } });
    expect(await statuses(house, OPEN)).toEqual(all(OPEN, 401));
    expect(await statuses(house, ALWAYS)).toEqual(all(ALWAYS, 200));
  });

  it('need a token wherever the address is not loopback', async () => {
    await using house = await openTestHouse({ env: { BIND_ADDR: '0.0.0.0:0', REQUIRE_READ_TOKEN: '0' } });
    expect(await statuses(house, OPEN)).toEqual(all(OPEN, 401));
    expect(await statuses(house, ALWAYS)).toEqual(all(ALWAYS, 200));
  });

  it.each([
    ['localhost', 'localhost:0'],
    ['another address of this host', '127.0.0.2:0'],
  ])('are open on %s, which is loopback too', async (_, address) => {
    await using house = await openTestHouse({ env: { BIND_ADDR: address } });
    const host = address.split(':')[0] ?? '';
    using connection = await connectRaw(house.port, host);
    connection.send(requestText('GET', '/api/v1/incidents', { host }));
    expect((await connection.answer()).status).toBe(200);
  });

  it('are open on [::1], where the host has it', async ({ skip }) => {
    if (!(await hasIpv6())) return skip('no IPv6 on this host');
    await using house = await openTestHouse({ env: { BIND_ADDR: '[::1]:0' } });
    using connection = await connectRaw(house.port, '::1');
    connection.send(requestText('GET', '/api/v1/incidents', { host: `[::1]:${house.port}` }));
    expect((await connection.answer()).status).toBe(200);
  });

  it.each([
    ['q', '/api/v1/incidents?q=secret'],
    ['an empty q', '/api/v1/incidents?q='],
    ['q behind others', '/api/v1/incidents?limit=1&q=secret'],
    ['q behind a second question mark', '/api/v1/incidents?class=x?&q=secret'],
    ['q behind two question marks', '/api/v1/incidents??&q=secret'],
    ['q written with an escape', '/api/v1/incidents?%71=secret'],
    ['q behind a fragment', '/api/v1/incidents?limit=1#&q=secret'],
    ['q in an absolute URI', 'http://localhost/api/v1/incidents?class=x?&q=secret'],
    ['q of the path in other words', '/api/v1/x/../incidents?q=secret'],
  ])('with %s need a token on loopback too', async (_, target) => {
    await using house = await openTestHouse();
    expect((await exchange(house.port, requestText('GET', target))).status).toBe(401);
  });
});

describe('the order of checks', () => {
  const LIMITED = { ...ROLE_TOKENS.reporter, token: 'limited-'.repeat(4), rate: '1/s', burst: 1, sources: ['tool-firewall'] };
  const LIMITED_READER = { ...ROLE_TOKENS.reader, token: 'limited reader'.replace(' ', '-').repeat(3), rate: '1/s', burst: 1 };
  const TOO_LONG = { 'content-length': '65537' };
  const WRONG_TYPE = { 'content-type': 'text/plain' };
  const BAD_HOST = { host: 'evil.example' };
  const REPORT = '/api/v1/incidents/report';
  const STEP = '/api/v1/incidents/acknowledge';
  const clock = createClock();
  let house: TestHouse;
  let id: string;

  beforeAll(async () => {
    const tokens = {
      ...ROLE_TOKENS,
      bound: { ...LIMITED, token: 'bound---'.repeat(4), rate: '1000/s', burst: 1000 },
      limited: LIMITED,
      slow: LIMITED_READER,
    };
    house = await openTestHouse({ tokens, now: clock.now, monotonic: clock.monotonic });
    id = (await house.post(REPORT, aReport()).expect(201)).body.id;
    // The one request that each may make: from here on, and while the clock stands still, they are over their rate.
    await house.post(REPORT, {}, LIMITED.token).expect(400);
    await house.get('/api/v1/incidents?q=a', LIMITED_READER.token).expect(200);
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  const limited = bearer(LIMITED.token);
  const service = bearer(SERVICE_TOKEN);
  const uncovered = bearer('bound---'.repeat(4));
  const json = (value: unknown) => JSON.stringify(value);

  it.each<[number, string, number, string, string, string, { host?: string; headers?: Record<string, string>; body?: string }]>([
    [421, 'host', 404, 'path', 'GET', '/nothing', BAD_HOST],
    [421, 'host', 405, 'method', 'DELETE', REPORT, BAD_HOST],
    [421, 'host', 401, 'token', 'POST', REPORT, BAD_HOST],
    [404, 'path', 401, 'token', 'POST', '/nothing', {}],
    [405, 'method', 401, 'token', 'DELETE', REPORT, {}],
    [405, 'method', 413, 'length', 'PUT', REPORT, { headers: { ...service, ...TOO_LONG } }],
    [401, 'token', 415, 'type', 'POST', REPORT, { headers: WRONG_TYPE }],
    [401, 'token', 413, 'length', 'POST', REPORT, { headers: TOO_LONG }],
    [401, 'token', 400, 'parameter', 'GET', '/api/v1/incidents?q=a&nothing=1', {}],
    [401, 'token', 404, 'incident', 'GET', '/api/v1/incidents/INC-20260313-000000000000/timeline', {}],
    [403, 'role', 429, 'rate', 'POST', REPORT, { headers: bearer(LIMITED_READER.token) }],
    [403, 'role', 415, 'type', 'POST', STEP, { headers: { ...limited, ...WRONG_TYPE } }],
    [403, 'role', 413, 'length', 'POST', STEP, { headers: { ...limited, ...TOO_LONG } }],
    [429, 'rate', 415, 'type', 'POST', REPORT, { headers: { ...limited, ...WRONG_TYPE } }],
    [429, 'rate', 413, 'length', 'POST', REPORT, { headers: { ...limited, ...TOO_LONG } }],
    [429, 'rate', 400, 'parameter', 'GET', '/api/v1/incidents?q=a&nothing=1', { headers: bearer(LIMITED_READER.token) }],
    [415, 'type', 413, 'length', 'POST', REPORT, { headers: { ...service, ...WRONG_TYPE, ...TOO_LONG } }],
    [415, 'type', 413, 'length of a batch', 'POST', `${REPORT}s`, { headers: { ...service, ...WRONG_TYPE, 'content-length': '1048577' } }],
    [415, 'type', 400, 'body', 'POST', REPORT, { headers: { ...service, ...WRONG_TYPE }, body: '{' }],
    [413, 'length', 400, 'body', 'POST', REPORT, { headers: service, body: '{'.repeat(65_537) }],
    [
      413,
      'length of a batch',
      400,
      'header',
      'POST',
      `${REPORT}s`,
      { headers: { ...service, 'content-length': '1048577', 'idempotency-key': 'k' } },
    ],
    [400, 'field', 403, 'source', 'POST', REPORT, { headers: uncovered, body: json(aReport({ source: 'other', color: 'red' })) }],
    [400, 'class', 403, 'source', 'POST', REPORT, { headers: uncovered, body: json(aReport({ source: 'other', class: 'unheard_of' })) }],
    [
      400,
      'key',
      403,
      'source',
      'POST',
      REPORT,
      { headers: { ...uncovered, 'idempotency-key': 'a b' }, body: json(aReport({ source: 'other' })) },
    ],
    [400, 'field', 404, 'incident', 'POST', STEP, { headers: service, body: json({ id: 'INC-20260313-000000000000', color: 'red' }) }],
    [400, 'field', 412, 'version', 'POST', STEP, { headers: { ...service, 'if-match': '"0"' }, body: '{"id":""}' }],
  ])('%i %s comes before %i %s (%s %s)', async (status, _what, _other, _whatElse, method, target, request) => {
    const { body = '' } = request;
    const headers = { ...(body && { 'content-length': String(body.length) }), ...request.headers };
    const answer = await exchange(house.port, requestText(method, target, { ...request, headers }));
    expect(answer.status).toBe(status);
    expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
  });

  it('403 source comes before 422 of a key that was used with another body', async () => {
    const send = async (report: object) => house.post(REPORT, report, 'bound---'.repeat(4)).set('Idempotency-Key', 'order-of-checks');
    expect((await send(aReport())).status).toBe(201);
    expect((await send(aReport({ source: 'other' }))).status).toBe(403);
    expect((await send(aReport({ description: 'other' }))).status).toBe(422);
  });

  it('each check stands before the change: 409, 412 and 422 leave no record', async () => {
    await house.post('/api/v1/incidents/resolve', { id }).set('Idempotency-Key', 'once').expect(200);
    const before = house.records().length;
    await house.post(STEP, { id }).expect(409);
    await house.post(STEP, { id }).set('If-Match', '"0"').expect(412);
    await house.post('/api/v1/incidents/resolve', { id, note: 'x' }).set('Idempotency-Key', 'once').expect(422);
    expect(house.records()).toHaveLength(before);
  });
});

describe('a rate', () => {
  const LIMITED = { ...ROLE_TOKENS.reporter, rate: '2/s', burst: 4 };
  const REPORT = '/api/v1/incidents/report';

  it('lets a burst through, then answers 429 with Retry-After, until time has passed', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ tokens: { limited: LIMITED }, monotonic: clock.monotonic });
    const report = async () => house.post(REPORT, aReport(), LIMITED.token);
    for (let i = 0; i < 4; i += 1) expect((await report()).status).toBe(201);
    const refused = await report();
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.body).toMatchObject({ code: 'rate_limited' });
    expect(faultOfProblem(refused)).toBeNull();
    expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(4);
    clock.advance(499);
    expect((await report()).status).toBe(429);
    clock.advance(1);
    expect((await report()).status).toBe(201);
    expect((await report()).status).toBe(429);
    clock.advance(60_000);
    for (let i = 0; i < 4; i += 1) expect((await report()).status).toBe(201);
    expect((await report()).status).toBe(429);
  });

  it('counts what is refused for its form and what is read with the token', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ tokens: { limited: LIMITED }, monotonic: clock.monotonic });
    await house.post(REPORT, {}, LIMITED.token).expect(400);
    await house.post(REPORT, 'x', LIMITED.token).set('content-type', 'text/plain').expect(415);
    await house.get('/api/v1/incidents?q=a', LIMITED.token).expect(200);
    await house.get('/api/v1/incidents?q=a', LIMITED.token).expect(200);
    await house.get('/api/v1/incidents?q=a', LIMITED.token).expect(429);
  });

  it("of one token is not another one's, and a reload does not refill it", async () => {
    const clock = createClock();
    const tokens = { limited: { ...LIMITED, burst: 1 }, other: { ...LIMITED, token: 'other---'.repeat(4) } };
    await using house = await openTestHouse({ policy: 'version: 1\nrules: {}\n', tokens, monotonic: clock.monotonic });
    await house.post(REPORT, aReport(), LIMITED.token).expect(201);
    await house.post(REPORT, aReport(), LIMITED.token).expect(429);
    await house.post(REPORT, aReport(), tokens.other.token).expect(201);
    await house.post('/api/v1/reload', {}).expect(200);
    await house.post(REPORT, aReport(), LIMITED.token).expect(429);
  });

  it('counts each line of a batch; default for a reporter is 50/s with bursts of 500, and the service token has none', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ tokens: ROLE_TOKENS, monotonic: clock.monotonic });
    const batch = async (lines: number, token: string): Promise<number[]> => {
      const text = '{}\n'.repeat(lines);
      const headers = { ...bearer(token), 'content-length': String(text.length) };
      const { body } = await exchange(house.port, requestText('POST', '/api/v1/incidents/reports', { headers, body: text }));
      return body.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).status]));
    };
    const statuses = await batch(503, ROLE_TOKENS.reporter.token);
    expect(statuses.slice(0, 500).every((status) => status === 400)).toBe(true);
    expect(statuses.slice(500)).toEqual([429, 429, 429]);
    clock.advance(1000);
    expect((await batch(60, ROLE_TOKENS.reporter.token)).filter((status) => status === 400)).toHaveLength(50);
    expect(new Set(await batch(1000, SERVICE_TOKEN))).toEqual(new Set([400]));
  });

  it('that a stolen reporter token runs into leaves one summary a minute and token, and operators get on with their work', async () => {
    const clock = createClock();
    const tokens = { ...ROLE_TOKENS, stolen: { ...LIMITED, token: 'stolen--'.repeat(4), burst: 20 } };
    await using house = await openTestHouse({ tokens, monotonic: clock.monotonic });
    const { body } = await house.post(REPORT, aReport());
    const before = house.records().length;
    const flood = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const text = JSON.stringify(aReport({ class: 'tool_call_burst' }));
        const headers = { ...bearer(tokens.stolen.token), 'content-length': String(text.length) };
        // 300 at once are more than the connections it takes: what is turned away there has reached nothing.
        return exchange(house.port, requestText('POST', REPORT, { headers, body: text })).then(
          ({ status }) => status,
          () => 0,
        );
      }),
    );
    expect(flood.filter((status) => status === 201)).toHaveLength(20);
    const refused = flood.filter((status) => status === 429).length;
    expect(refused).toBeGreaterThan(0);
    await house.post('/api/v1/incidents/acknowledge', { id: body.id }, ROLE_TOKENS.operator.token).expect(200);
    expect(house.records().filter(({ type }) => type === 'rate.limited')).toHaveLength(0);
    clock.advance(60_000);
    await vi.waitFor(() => expect(house.records().filter(({ type }) => type === 'rate.limited')).toHaveLength(1), 5000);
    expect(house.records().find(({ type }) => type === 'rate.limited')?.data).toEqual({ token: 'stolen', refused });
    const kinds = new Set(
      house
        .records()
        .slice(before)
        .map(({ type }) => type),
    );
    expect(kinds).toEqual(
      new Set(
        ['incident.reported', 'hold.recorded', 'incident.contained', 'incident.acknowledged', 'rate.limited'].filter((type) =>
          kinds.has(type),
        ),
      ),
    );
  });
});

describe('refused tokens', () => {
  const REPORT = '/api/v1/incidents/report';
  const denied = (house: TestHouse) => house.records().filter(({ type }) => type === 'auth.denied');
  const ours = async (house: TestHouse) => (await house.get('/api/v1/incidents?source=incident-recorder')).body;

  it('are recorded at once, and then as one summary when the minute is over', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ tokens: ROLE_TOKENS, monotonic: clock.monotonic });
    await house.post(REPORT, aReport(), 'unknown-'.repeat(4)).expect(401);
    await vi.waitFor(() => expect(denied(house).map(({ data }) => data)).toEqual([{ count: 1, reasons: { 'unknown token': 1 } }]));
    for (let i = 0; i < 5; i += 1) await house.http.post(REPORT).expect(401);
    await house.post(REPORT, aReport(), ROLE_TOKENS.reader.token).expect(403);
    await house.post(REPORT, aReport(), 'not ascii \u00e9').expect(401);
    await house.post(REPORT, aReport({ source: 'incident-recorder' }), ROLE_TOKENS.reporter.token).expect(403);
    expect(denied(house)).toHaveLength(1);
    clock.advance(60_000);
    await vi.waitFor(() => expect(denied(house)).toHaveLength(2), 5000);
    expect(denied(house)[1]?.data).toEqual({ count: 8, reasons: { 'no token': 5, role: 1, 'malformed token': 1, 'source or class': 1 } });
  });

  it('of twenty in a minute raise one incident of our own: medium, no actions; a later minute joins it', async () => {
    const clock = createClock();
    const policy =
      'version: 1\nrules:\n  unauthorized_access: {auto_contain: true, default_severity: critical, actions: [freeze_agent, log_alert], escalate: {count: 2, window: 1h, to: critical}}\n';
    await using house = await openTestHouse({ policy, monotonic: clock.monotonic });
    const refuse = async (times: number) => {
      for (let i = 0; i < times; i += 1) await house.http.post(REPORT).expect(401);
    };
    await refuse(19);
    expect(await ours(house)).toEqual([]);
    await refuse(1);
    await vi.waitFor(async () => expect(await ours(house)).toHaveLength(1));
    expect((await ours(house))[0]).toMatchObject({
      ...{ class: 'unauthorized_access', severity: 'medium', state: 'open', reported_by: 'incident-recorder', occurrences: 1 },
      ...{ containment_actions: [], proposed_actions: [], containment: { status: 'none', actions: [] } },
    });
    await refuse(40);
    expect((await ours(house))[0]).toMatchObject({ occurrences: 1 });
    for (const occurrences of [2, 3]) {
      clock.advance(60_000);
      await refuse(25);
      await vi.waitFor(async () => expect(await ours(house)).toMatchObject([{ occurrences, severity: 'medium', containment_actions: [] }]));
    }
    expect(house.records().filter(({ type }) => /^(hold|alert|incident\.contained|incident\.escalated)/.test(type))).toEqual([]);
    expect(denied(house).length).toBeLessThanOrEqual(6);
  });
});

async function hasIpv6(): Promise<boolean> {
  const server: Server = createServer();
  try {
    server.listen(0, '::1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
