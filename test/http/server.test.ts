// The server around the routes: hosts, limits, slowness, rubbish on the wire, and how it ends.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { LAST_CHUNK, type RawAnswer, type RawConnection, chunk, connectRaw, exchange, requestText } from '../support/raw.ts';
import { faultOfProblem } from '../support/routes.ts';

const REPORT = '/api/v1/incidents/report';
const AUTHORIZED = { authorization: `Bearer ${SERVICE_TOKEN}` };
const CHUNKED = { ...AUTHORIZED, 'transfer-encoding': 'chunked' };

function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect([answer.status, answer.json().code]).toEqual([status, code]);
  expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
}

/** The connection ends, and says no more than it has. */
async function expectEnd(connection: RawConnection): Promise<void> {
  expect(await connection.closed()).toEqual([]);
  expect(connection.rest().toString('latin1')).toBe('');
}

describe('the host', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse({ env: { ALLOWED_HOSTS: 'recorder.internal, Other.Example:8443' } });
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it.each(['127.0.0.1', 'localhost', '[::1]', 'LocalHost', 'recorder.internal', 'RECORDER.INTERNAL', 'other.example:8443'])(
    '%s is ours',
    async (host) => {
      expect((await exchange(house.port, requestText('GET', '/health', { host }))).status).toBe(200);
    },
  );

  it.each([
    ['127.0.0.1', 'evil.example'],
    ['evil.example', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
  ])('of two headers is none: %s and %s', async (one, other) => {
    using connection = await connectRaw(house.port);
    connection.send(`GET /health HTTP/1.1\r\nHost: ${one}\r\nhOST: ${other}\r\n\r\n`);
    expectProblem(await connection.answer(), 400, 'malformed_request');
  });

  it.each(['127.0.0.1', 'localhost', '[::1]', 'recorder.internal'])('%s is ours with our port too', async (name) => {
    expect((await exchange(house.port, requestText('GET', '/health', { host: `${name}:${house.port}` }))).status).toBe(200);
  });

  it('that it is bound to is ours', async () => {
    await using bound = await openTestHouse({ env: { BIND_ADDR: '127.0.0.3:0' } });
    for (const host of ['127.0.0.3', `127.0.0.3:${bound.port}`]) {
      using connection = await connectRaw(bound.port, '127.0.0.3');
      connection.send(requestText('GET', '/health', { host }));
      expect((await connection.answer()).status).toBe(200);
    }
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    '127.0.0.1:1',
    '127.0.0.2',
    'localhost.',
    'recorder.internal.evil.example',
    'user@localhost',
    '::1',
    '0.0.0.0',
    '2130706433',
    '',
  ])('%s of another site is 421 on every path, with a good token too', async (host) => {
    for (const target of ['/health', '/api/v1/incidents', '/nothing']) {
      expectProblem(await exchange(house.port, requestText('GET', target, { host, headers: AUTHORIZED })), 421, 'misdirected');
    }
  });

  it('of another site changes nothing', async () => {
    const body = JSON.stringify(aReport());
    const headers = { ...AUTHORIZED, 'content-length': String(body.length) };
    const answer = await exchange(house.port, requestText('POST', REPORT, { host: 'evil.example', headers, body }));
    expectProblem(answer, 421, 'misdirected');
    expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(0);
  });

  it.each([
    ['http://evil.example/health', '127.0.0.1', 421],
    ['HTTP://evil.example/health', '127.0.0.1', 421],
    ['https://evil.example/health', '127.0.0.1', 421],
    ['http://127.0.0.1@evil.example/health', '127.0.0.1', 421],
    ['http://127.0.0.1:1/health', '127.0.0.1', 421],
    ['http://evil.example?x=/health', '127.0.0.1', 421],
    ['http:///health', '127.0.0.1', 421],
    ['http://localhost/health', '127.0.0.1', 200],
    ['http://LOCALHOST/health', '127.0.0.1', 200],
    // RFC 9112 §3.2.2: with an absolute URI the Host header is not looked at.
    ['http://localhost/health', 'evil.example', 200],
  ])('of an absolute URI counts: %s (Host: %s) is %i', async (target, host, status) => {
    const answer = await exchange(house.port, requestText('GET', target, { host }));
    expect(answer.status).toBe(status);
    if (status === 421) expectProblem(answer, 421, 'misdirected');
  });

  it('is needed: a request without one is 400 as JSON', async () => {
    expectProblem(await exchange(house.port, requestText('GET', '/health', { host: null })), 400, 'malformed_request');
    expectProblem(await exchange(house.port, 'GET /health HTTP/1.0\r\n\r\n'), 400, 'malformed_request');
  });
});

describe('what is not HTTP', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it.each([
    ['words', 'what is not HTTP\r\n\r\n'],
    ['a TLS handshake', Buffer.from('1603010200010001fc0303', 'hex')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method that nobody knows', requestText('BREW', '/health')],
    ['NUL in the path', requestText('GET', '/\0')],
    ['a raw byte over 7f in the path', Buffer.from(requestText('GET', '/\u00ff'), 'latin1')],
    ['NUL in a header', requestText('GET', '/health', { headers: { x: 'a\0b' } })],
    ['a bare line feed in a header', 'GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\nb\r\n\r\n'],
    ['a header without a colon', 'GET /health HTTP/1.1\r\nhost: localhost\r\nnothing\r\n\r\n'],
    ['a blank before the colon', 'GET /health HTTP/1.1\r\nhost: localhost\r\nx : a\r\n\r\n'],
    ['Content-Length twice', requestText('POST', REPORT, { headers: { 'content-length': '2', 'Content-Length': '3' }, body: '{}' })],
    ['Content-Length below zero', requestText('POST', REPORT, { headers: { 'content-length': '-1' } })],
    ['Content-Length in words', requestText('POST', REPORT, { headers: { 'content-length': 'two' } })],
    ['Content-Length beyond any number', requestText('POST', REPORT, { headers: { 'content-length': '9'.repeat(40) } })],
    ['Content-Length and chunks', requestText('POST', REPORT, { headers: { ...CHUNKED, 'content-length': '2' }, body: '{}' })],
    ['a chunk of no size', requestText('POST', REPORT, { headers: CHUNKED, body: 'zz\r\n' })],
    ['a chunk longer than its size', requestText('POST', REPORT, { headers: CHUNKED, body: '1\r\n{}\r\n0\r\n\r\n' })],
    ['a chunk of endless size', requestText('POST', REPORT, { headers: CHUNKED, body: `${'f'.repeat(40)}\r\n` })],
  ])('such as %s is answered 400 as JSON, and the connection ends', async (_, bytes) => {
    using connection = await connectRaw(house.port);
    connection.send(bytes);
    const answer = await connection.answer();
    expectProblem(answer, 400, 'malformed_request');
    expect(answer.headers['connection']).toBe('close');
    await expectEnd(connection);
  });

  it.each([
    ['a target that is no path', 'GET', '*'],
    ['OPTIONS for the server as a whole', 'OPTIONS', '*'],
    ['a backslash in the path', 'GET', '/api\\v1\\incidents'],
    ['a scheme that is not HTTP', 'GET', 'ftp://localhost/health'],
    ['an authority', 'GET', 'localhost:80'],
  ])('or is HTTP for somebody else, such as %s, is 400 as JSON', async (_, method, target) => {
    expectProblem(await exchange(house.port, requestText(method, target)), 400, 'malformed_request');
  });

  it('or breaks off inside a body is 400 as JSON, records nothing, and is no error of ours', async () => {
    for (const headers of [CHUNKED, { ...AUTHORIZED, 'content-length': '500' }]) {
      for (const path of [REPORT, `${REPORT}s`]) {
        using connection = await connectRaw(house.port);
        connection.send(requestText('POST', path, { headers }));
        connection.send(headers === CHUNKED ? chunk('{"class":') : '{"class":');
        connection.end();
        expectProblem(await connection.answer(), 400, 'malformed_request');
        await expectEnd(connection);
      }
    }
    expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(0);
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('or is reset inside a body leaves nothing behind, and is no error of ours', async () => {
    for (const path of [REPORT, `${REPORT}s`]) {
      using connection = await connectRaw(house.port);
      connection.send(requestText('POST', path, { headers: CHUNKED }));
      connection.send(chunk('{"class":'));
      // Answered in turn: what was sent before has been read when this one is.
      await house.http.get('/health').expect(200);
      connection.socket.resetAndDestroy();
      await house.http.get('/health').expect(200);
    }
    expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(0);
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('or asks for a tunnel is 405 as JSON, with the methods that there are, and the connection ends', async () => {
    using connection = await connectRaw(house.port);
    connection.send(requestText('CONNECT', 'localhost:22'));
    const answer = await connection.answer();
    expectProblem(answer, 405, 'method_not_allowed');
    expect(answer.headers['allow']).toBe('GET, HEAD, POST');
    await expectEnd(connection);
  });

  it('but asks for an upgrade is answered as if it had not', async () => {
    const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };
    expect((await exchange(house.port, requestText('GET', '/health', { headers }))).status).toBe(200);
  });
});

describe('limits', () => {
  let house: TestHouse;
  beforeAll(async () => {
    house = await openTestHouse();
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it('headers of 8 KiB are taken', async () => {
    // The server counts names and values only; well below the bound for any way of counting.
    expect((await exchange(house.port, requestText('GET', '/health', { headers: { x: 'a'.repeat(7900) } }))).status).toBe(200);
  });

  it.each([
    ['one header', requestText('GET', '/health', { headers: { x: 'a'.repeat(8192) } })],
    [
      'many headers',
      requestText('GET', '/health', { headers: Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`x-${i}`, 'abcdef'])) }),
    ],
    ['the target', requestText('GET', `/health?${'a'.repeat(8192)}`)],
    ['what never ends', `GET /health HTTP/1.1\r\nx: ${'a'.repeat(200_000)}`],
  ])('headers over 8 KiB, by %s, are 431 as JSON, and the connection ends', async (_, bytes) => {
    using connection = await connectRaw(house.port);
    connection.send(bytes);
    expectProblem(await connection.answer(), 431, 'headers_too_large');
    await expectEnd(connection);
  });

  it.each(['200-ok', 'x'])('Expect: %s is 417 as JSON, and the connection ends', async (expectation) => {
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORT, { headers: { ...AUTHORIZED, expect: expectation, 'content-length': '2' }, body: '{}' }));
    expectProblem(await connection.answer(), 417, 'expectation_failed');
    await expectEnd(connection);
  });

  it('Expect: 100-continue is met', async () => {
    const body = JSON.stringify(aReport());
    using connection = await connectRaw(house.port);
    connection.send(
      requestText('POST', REPORT, { headers: { ...AUTHORIZED, expect: '100-continue', 'content-length': String(body.length) } }),
    );
    expect((await connection.answer()).status).toBe(100);
    connection.send(body);
    expect((await connection.answer()).status).toBe(201);
  });

  it('a connection is kept for the next request, 60 seconds long', async () => {
    using connection = await connectRaw(house.port);
    for (let i = 0; i < 3; i += 1) {
      connection.send(requestText('GET', '/health'));
      expect((await connection.answer()).headers['keep-alive']).toBe('timeout=60');
    }
  });

  it.each([
    ['a second read', requestText('GET', '/health')],
    ['a report', requestText('POST', REPORT, { headers: { ...AUTHORIZED, 'content-length': '2' }, body: '{}' })],
    ['rubbish', 'rubbish\r\n\r\n'],
    ['five thousand more', requestText('GET', '/health').repeat(5000)],
  ])('one unanswered request a connection: %s behind it closes it, with no more than the one answer', async (_, second) => {
    const body = JSON.stringify(aReport({ dedup_key: 'one' }));
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORT, { headers: { ...AUTHORIZED, 'content-length': String(body.length) }, body }) + second);
    const answers = await connection.closed();
    expect(answers.length).toBeLessThanOrEqual(1);
    for (const { status } of answers) expect([200, 201]).toContain(status);
    expect(connection.rest()).toHaveLength(0);
    await house.http.get('/health').expect(200);
  });

  it('at most 64 connections: one more is turned away, and there is room again when one ends', async () => {
    await using full = await openTestHouse();
    const connections = await Promise.all(Array.from({ length: 64 }, async () => connectRaw(full.port)));
    try {
      const [last] = connections.slice(-1);
      last?.send(requestText('GET', '/health'));
      expect((await last?.answer())?.status).toBe(200);
      using tooMany = await connectRaw(full.port);
      tooMany.send(requestText('GET', '/health'));
      await expectEnd(tooMany);
      connections[0]?.socket.destroy();
      await vi.waitFor(async () => expect((await exchange(full.port, requestText('GET', '/health'))).status).toBe(200), 5000);
    } finally {
      for (const connection of connections) connection[Symbol.dispose]();
    }
  });
});

// Each really waits for the limit that it is about, all of them at the same time.
describe.concurrent('slowness', () => {
  const within = async (drip: () => void, connection: RawConnection): Promise<RawAnswer> => {
    const timer = setInterval(drip, 200);
    try {
      return await connection.answer();
    } finally {
      clearInterval(timer);
    }
  };

  it('of a client that says nothing at all is answered 408 as JSON', async () => {
    await using house = await openTestHouse();
    using connection = await connectRaw(house.port);
    expectProblem(await connection.answer(), 408, 'request_timeout');
    await expectEnd(connection);
  });

  it('of headers, dripped byte by byte, is answered 408 as JSON, and the connection ends', async () => {
    await using house = await openTestHouse();
    using connection = await connectRaw(house.port);
    connection.send('GET /health HTTP/1.1\r\nhost: localhost\r\nx: ');
    expectProblem(await within(() => connection.send('a'), connection), 408, 'request_timeout');
    await expectEnd(connection);
  });

  it.each([
    ['of known length', REPORT, { 'content-length': '1000' }, ' '],
    ['in chunks without end', REPORT, { 'transfer-encoding': 'chunked' }, chunk(' ')],
    ['of lines without end', `${REPORT}s`, { 'transfer-encoding': 'chunked' }, chunk('{}\n')],
  ])('of a body %s is answered 408 as JSON, records nothing, and is no error of ours', async (_, path, headers, drop) => {
    await using house = await openTestHouse();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', path, { headers: { ...AUTHORIZED, ...headers } }));
    expectProblem(await within(() => connection.send(drop), connection), 408, 'request_timeout');
    await expectEnd(connection);
    const { body } = await house.get('/api/v1/stats');
    expect(body.total_incidents).toBe(0);
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('may last five seconds for headers and ten for the whole request: the one is refused while the other may still go on', async () => {
    await using house = await openTestHouse();
    const began = performance.now();
    using body = await connectRaw(house.port);
    body.send(requestText('POST', REPORT, { headers: CHUNKED }));
    using headers = await connectRaw(house.port);
    headers.send('GET /health HTTP/1.1\r\n');
    expect((await headers.answer()).status).toBe(408);
    expect(performance.now() - began).toBeGreaterThan(4_900);
    expect(body.rest()).toHaveLength(0);
    expect((await body.answer()).status).toBe(408);
    expect(performance.now() - began).toBeGreaterThan(9_900);
  });

  it('of one client keeps nobody else waiting', async () => {
    await using house = await openTestHouse();
    const slow = await Promise.all(Array.from({ length: 40 }, async () => connectRaw(house.port)));
    try {
      for (const connection of slow) {
        connection.send(requestText('POST', REPORT, { headers: CHUNKED }));
        connection.send(chunk('{'));
      }
      expect((await house.post(REPORT, aReport())).status).toBe(201);
    } finally {
      for (const connection of slow) connection[Symbol.dispose]();
    }
  });
});

describe('draining', () => {
  it('answers what had come in, refuses what comes then with 503 and Retry-After, and ends', async () => {
    const house = await openTestHouse();
    await using _ = house;
    const body = JSON.stringify(aReport());
    using accepted = await connectRaw(house.port);
    accepted.send(requestText('POST', REPORT, { headers: { ...AUTHORIZED, 'content-length': String(body.length) } }));
    accepted.send(body.slice(0, 10));
    using late = await connectRaw(house.port);
    late.send(requestText('GET', '/health', { host: 'evil.example' }).slice(0, -2));
    using idle = await connectRaw(house.port);
    idle.send(requestText('GET', '/health'));
    expect((await idle.answer()).status).toBe(200);

    const { port } = house;
    const began = performance.now();
    const closing = house.close();
    await expectEnd(idle);
    late.send('\r\n');
    const refused = await late.answer();
    // 503 before 421: it answers for no host any more.
    expectProblem(refused, 503, 'draining');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers['connection']).toBe('close');
    await expectEnd(late);
    accepted.send(body.slice(10));
    const done = await accepted.answer();
    expect(done.status).toBe(201);
    await expectEnd(accepted);
    await closing;
    // When all is answered, not when its patience with the slow (8 s) is over.
    expect(performance.now() - began).toBeLessThan(7_000);

    await expect(connectRaw(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const types = house.records().map(({ type }) => type);
    expect(types.indexOf('incident.reported')).toBeGreaterThan(0);
    expect(types.at(-1)).toBe('service.stopped');
    expect(house.records().find(({ id }) => id === done.json().id)).toBeDefined();
  });

  it('refuses a health check too, as the next report would be', async () => {
    await using house = await openTestHouse();
    const connections = await Promise.all(
      ['/health', '/readyz', '/livez', '/api/v1/incidents'].map(async (path) => {
        const connection = await connectRaw(house.port);
        connection.send(requestText('GET', path).slice(0, -2));
        return connection;
      }),
    );
    // The server has read those beginnings when it has answered what was sent after them.
    await house.http.get('/health').expect(200);
    const closing = house.close();
    for (const connection of connections) {
      connection.send('\r\n');
      expectProblem(await connection.answer(), 503, 'draining');
      await expectEnd(connection);
    }
    await closing;
  });
});

describe('chunks', () => {
  it('make a body as good as any', async () => {
    await using house = await openTestHouse();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORT, { headers: CHUNKED }));
    for (const piece of JSON.stringify(aReport()).match(/.{1,7}/g) ?? []) connection.send(chunk(piece));
    connection.send(LAST_CHUNK);
    expect((await connection.answer()).status).toBe(201);
  });
});
