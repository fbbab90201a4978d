// The table of routes: what is there, with which methods, and what is said of everything else.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyring } from '../../src/access/keyring.ts';
import { createApp } from '../../src/http/app.ts';
import { createHttpServer } from '../../src/http/server.ts';
import { createLog } from '../../src/log.ts';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type Parsed, connectRaw, exchange, requestText } from '../support/raw.ts';
import { type Ids, POLICY_OF_ALL, ROUTES, SECURITY_HEADERS, faultOfProblem, oneOfEach, pathOf } from '../support/routes.ts';

const AUTHORIZED = { authorization: `Bearer ${SERVICE_TOKEN}` };
const PATHS = [...new Set(ROUTES.map(({ path }) => path.split('?')[0] ?? ''))];

let house: TestHouse;
let id: string;
let ids: Ids;
beforeAll(async () => {
  house = await openTestHouse({ policy: POLICY_OF_ALL, env: { REPORT_WAIT_MS: '0' } });
  ids = await oneOfEach(house);
  id = (await house.post('/api/v1/incidents/report', aReport())).body.id;
});
afterAll(async () => house[Symbol.asyncDispose]());

describe('a path', () => {
  it.each(ROUTES.filter(({ method }) => method === 'GET'))('$path is there', async (route) => {
    const answer = await house.get(pathOf(route, id, ids));
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
  });

  it.each([
    ['nothing', '/'],
    ['a slash too many', '/api/v1/incidents/'],
    ['a slash too many inside', '/api//v1/incidents'],
    ['another version', '/api/v2/incidents'],
    ['other case', '/API/v1/incidents'],
    ['a name where an id belongs', '/api/v1/incidents/everything'],
    ['an id in upper case', '/api/v1/incidents/INC-20260313-ABCDEF'],
    ['an id that is too short', '/api/v1/incidents/INC-20260313-abcde'],
    ['an id with SQL in it', "/api/v1/incidents/INC-20260313-abcdef'%20OR%201=1--"],
    ['a hold that is too short', '/api/v1/holds/HLD-00000000000'],
    ['a command where a hold belongs', '/api/v1/holds/CMD-000000000000'],
    ['a hold in upper case', '/api/v1/holds/HLD-ABCDEFABCDEF'],
    ['an approval without an id', '/api/v1/approvals/'],
    ['an actuator in upper case', '/api/v1/actuators/Agent/desired'],
    ['an actuator that is too long', `/api/v1/actuators/${'a'.repeat(65)}/desired`],
    ['an actuator out of the tree', '/api/v1/actuators/..%2fagent/desired'],
    ['a path out of the tree', '/api/v1/incidents/../../../etc/passwd'],
    ['an encoded path out of the tree', '/api/v1/incidents/%2e%2e/%2e%2e/%2e%2e/etc/passwd'],
    ['a word that objects have', '/__proto__'],
    ['a problem that nobody has', '/problems/no-such-thing'],
    ['a problem in the name of an object', '/problems/constructor'],
  ])('that holds %s is 404', async (_, path) => {
    const answer = await exchange(house.port, requestText('GET', path, { headers: AUTHORIZED }));
    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ code: 'not_found', status: 404 });
    expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
  });

  it.each(PATHS)('%s answers 405 to a method it does not have, and Allow names those it has', async (path) => {
    const methods = [...new Set(ROUTES.filter((route) => route.path.split('?')[0] === path).map(({ method }) => method))];
    const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      if (allowed.includes(method)) continue;
      const answer = await exchange(house.port, requestText(method, pathOf({ path }, id)));
      expect([method, answer.status]).toEqual([method, 405]);
      expect(answer.headers['allow']?.split(', ')).toEqual(allowed);
      expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
    }
  });

  it('that only takes POST answers HEAD with 405 too, and no body', async () => {
    using connection = await connectRaw(house.port);
    connection.send(requestText('HEAD', '/api/v1/reload', { headers: { connection: 'close' } }));
    const answer = await connection.answer({ bodiless: true });
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    await connection.closed();
    expect(connection.rest()).toHaveLength(0);
  });

  it('takes no preflight: nothing is ever shared with another origin', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST', ...AUTHORIZED };
    const preflight = await exchange(house.port, requestText('OPTIONS', '/api/v1/incidents/report', { headers }));
    const read = await exchange(house.port, requestText('GET', '/api/v1/incidents', { headers }));
    expect(preflight.status).toBe(405);
    expect(read.status).toBe(200);
    for (const answer of [preflight, read]) {
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);
    }
  });
});

describe('HEAD', () => {
  it.each(ROUTES.filter(({ method }) => method === 'GET'))('of $path is as GET, without a body', async (route) => {
    const target = pathOf(route, id, ids);
    const get = await exchange(house.port, requestText('GET', target, { headers: AUTHORIZED }));
    using connection = await connectRaw(house.port);
    connection.send(requestText('HEAD', target, { headers: { ...AUTHORIZED, connection: 'close' } }));
    const head = await connection.answer({ bodiless: true });
    await connection.closed();
    expect(connection.rest()).toHaveLength(0);
    expect(head.status).toBe(get.status);
    for (const name of ['content-type', 'etag', 'link', ...Object.keys(SECURITY_HEADERS)]) {
      expect([name, head.headers[name]]).toEqual([name, get.headers[name]]);
    }
  });

  it('needs a token wherever GET does', async () => {
    await house.http.head(`/api/v1/incidents/${id}/timeline`).expect(401);
    await house.http.head('/api/v1/incidents?q=a').expect(401);
    await house.http.head('/api/v1/incidents').expect(200);
  });
});

describe('every answer', () => {
  it.each([
    ['200', 'GET', '/health', {}],
    ['200', 'GET', '/api/v1/stats', {}],
    ['201', 'POST', '/api/v1/incidents/report', { headers: AUTHORIZED, body: JSON.stringify(aReport()) }],
    ['400', 'POST', '/api/v1/incidents/report', { headers: AUTHORIZED, body: '{}' }],
    ['401', 'GET', '/api/v1/incidents?q=a', {}],
    ['404', 'GET', '/nothing', {}],
    ['405', 'DELETE', '/health', {}],
    ['417', 'GET', '/health', { headers: { expect: 'miracles' } }],
    ['421', 'GET', '/health', { host: 'evil.example' }],
    ['431', 'GET', '/health', { headers: { cookie: 'a'.repeat(9000) } }],
  ])('with status %s carries the security headers and no-store', async (status, method, target, { body, ...rest }: Parsed) => {
    const headers = { ...rest.headers, ...(body && { 'content-length': String(body.length) }) };
    const answer = await exchange(house.port, requestText(method, target, { ...rest, headers, body }));
    expect(answer.status).toBe(Number(status));
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(answer.headers['server'] ?? answer.headers['x-powered-by']).toBeUndefined();
  });
});

describe('a fault of our own', () => {
  it('is 500 that tells nothing but a request_id, under which the log has the reason', async () => {
    const lines: Parsed[] = [];
    const app = createApp({
      log: createLog({ level: 'debug', journal: false, write: (line) => lines.push(JSON.parse(line)) }),
      keyring: () => createKeyring([]),
      pace: () => {},
      refusals: { denied: () => {} },
      readsClosed: () => false,
      routes: [
        {
          method: 'GET',
          path: '/broken',
          for: 'anyone',
          handle() {
            throw new TypeError('the secret is 42');
          },
        },
      ],
    });
    const server = createHttpServer({ app, hosts: () => new Set(['127.0.0.1']), isDraining: () => false });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const answer = await exchange((server.address() as AddressInfo).port, requestText('GET', '/broken?token=x'));
      expect(answer.status).toBe(500);
      expect(answer.body).not.toContain('secret');
      expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
      expect(lines).toMatchObject([{ level: 'error', request_id: answer.json().request_id, method: 'GET', path: '/broken' }]);
      expect(lines[0].error).toContain('the secret is 42');
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
