// Bodies: how long, of which type, and that each is exactly one JSON value.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { LAST_CHUNK, chunk, connectRaw, exchange, requestText } from '../support/raw.ts';
import { ROUTES, faultOfProblem, pathOf } from '../support/routes.ts';

const REPORT = '/api/v1/incidents/report';
const LIMIT = 65_536;
const AUTHORIZED = { authorization: `Bearer ${SERVICE_TOKEN}` };
const CHUNKED = { ...AUTHORIZED, 'transfer-encoding': 'chunked' };

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse();
});
afterAll(async () => house[Symbol.asyncDispose]());

/** A report of exactly so many bytes. */
function reportOf(bytes: number): Buffer {
  const text = JSON.stringify(aReport());
  return Buffer.from(text.padEnd(bytes, ' '));
}

async function post(body: string | Buffer, headers: Record<string, string> = {}, path = REPORT) {
  const bytes = Buffer.from(body);
  const head = requestText('POST', path, { headers: { ...AUTHORIZED, 'content-length': String(bytes.length), ...headers } });
  return exchange(house.port, Buffer.concat([Buffer.from(head), bytes]));
}

async function total(): Promise<number> {
  return (await house.get('/api/v1/stats')).body.total_incidents;
}

/** What is refused leaves the records as they were. */
async function expectRefusal(body: string | Buffer, code: string, detail: RegExp, path = REPORT): Promise<void> {
  const before = house.records().length;
  const answer = await post(body, {}, path);
  expect(answer.json()).toMatchObject({ status: 400, code, detail: expect.stringMatching(detail) });
  expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
  expect(house.records()).toHaveLength(before);
}

describe('the length of a body', () => {
  it('may be 65,536 bytes', async () => {
    expect((await post(reportOf(LIMIT))).status).toBe(201);
  });

  it('may not be 65,537 bytes: 413 at Content-Length, and the connection ends', async () => {
    const before = await total();
    const began = performance.now();
    using connection = await connectRaw(house.port);
    // Nothing of the body is sent: the number is enough.
    connection.send(requestText('POST', REPORT, { headers: { ...AUTHORIZED, 'content-length': String(LIMIT + 1) } }));
    const answer = await connection.answer();
    expect(answer.json()).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(answer.headers['connection']).toBe('close');
    expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
    expect(await connection.closed()).toEqual([]);
    // By its own half second, not by the ten seconds that any request has.
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(await total()).toBe(before);
  });

  it('in chunks may be 65,536 bytes', async () => {
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORT, { headers: CHUNKED }));
    const body = reportOf(LIMIT);
    for (let at = 0; at < LIMIT; at += 10_000) connection.send(chunk(body.subarray(at, at + 10_000)));
    connection.send(LAST_CHUNK);
    expect((await connection.answer()).status).toBe(201);
  });

  it('in chunks may not be 65,537 bytes: 413 at the byte too many, before the end has come', async () => {
    const before = await total();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORT, { headers: CHUNKED }));
    connection.send(chunk(reportOf(LIMIT)));
    connection.send(chunk(' '));
    const answer = await connection.answer();
    expect(answer.json()).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(answer.headers['connection']).toBe('close');
    expect(await connection.closed()).toEqual([]);
    expect(await total()).toBe(before);
  });

  it('is refused so that a client who sends on reads the answer all the same', async () => {
    for (const headers of [CHUNKED, { ...AUTHORIZED, 'content-length': String(8 * 1024 * 1024) }]) {
      using connection = await connectRaw(house.port);
      connection.send(requestText('POST', REPORT, { headers }));
      const piece = Buffer.alloc(64 * 1024, ' ');
      for (let i = 0; i < 32; i += 1) connection.send(headers === CHUNKED ? chunk(piece) : piece);
      expect((await connection.answer()).status).toBe(413);
      expect(await connection.closed()).toEqual([]);
      expect(connection.reset).toBe(false);
    }
  });

  it.each(ROUTES.filter(({ method, type }) => method === 'POST' && type === undefined))('is bounded at $path', async (route) => {
    expect((await post('', { 'content-length': String(LIMIT + 1) }, pathOf(route))).status).toBe(413);
  });
});

describe('the content type', () => {
  it.each([
    ['application/json'],
    ['application/json; charset=utf-8'],
    ['Application/JSON;charset=UTF-8'],
    ['application/json; charset="utf-8"'],
    ['application/json; profile=x; charset=utf8'],
  ])('%s is taken', async (type) => {
    expect((await post(JSON.stringify(aReport()), { 'content-type': type })).status).toBe(201);
  });

  it('is JSON where none is given', async () => {
    expect((await post(JSON.stringify(aReport()))).status).toBe(201);
  });

  it.each([
    ['text/plain'],
    ['text/json'],
    ['application/x-ndjson'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/json; charset=latin1'],
    ['application/json; charset=utf-16'],
    ['application/jsonx'],
    ['x; application/json'],
    ['application/json, text/plain'],
    [''],
  ])('"%s" is 415, and nothing is recorded', async (type) => {
    const before = house.records().length;
    const answer = await post(JSON.stringify(aReport()), { 'content-type': type });
    expect(answer.json()).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(faultOfProblem({ ...answer, body: answer.json() })).toBeNull();
    expect(house.records()).toHaveLength(before);
  });

  it.each(ROUTES.filter(({ method }) => method === 'POST'))('is asked for at $path', async (route) => {
    expect((await post('{}', { 'content-type': 'text/plain' }, pathOf(route))).status).toBe(415);
  });

  it('of a batch is application/x-ndjson, and JSON is not', async () => {
    expect((await post('', { 'content-type': 'application/x-ndjson' }, `${REPORT}s`)).status).toBe(200);
    expect((await post('', { 'content-type': 'application/json' }, `${REPORT}s`)).status).toBe(415);
  });
});

describe('a body', () => {
  const REPORT_TEXT = JSON.stringify(aReport());

  it.each<[string, string | Buffer]>([
    ['is empty', ''],
    ['is blank', '   \n'],
    ['is not JSON', 'class=prompt_injection'],
    ['ends too soon', REPORT_TEXT.slice(0, -1)],
    ['is two objects', REPORT_TEXT + REPORT_TEXT],
    ['is two objects on two lines', `${REPORT_TEXT}\n${REPORT_TEXT}`],
    ['goes on behind the object', `${REPORT_TEXT},`],
    ['has a comment', `${REPORT_TEXT} // x`],
    ['has a comma too many', REPORT_TEXT.replace('}', ',}')],
    ['has single quotes', REPORT_TEXT.replaceAll('"', "'")],
    ['holds NaN', REPORT_TEXT.replace('}', ',"confidence":NaN}')],
    ['begins with a byte order mark', `\ufeff${REPORT_TEXT}`],
    ['is UTF-16', Buffer.from(REPORT_TEXT, 'utf16le')],
    ['is compressed', Buffer.from('1f8b0800000000000003', 'hex')],
    ['holds a raw control character in a string', REPORT_TEXT.replace('ignore', 'ig\u0001nore')],
    ['holds a raw line feed in a string', REPORT_TEXT.replace('ignore', 'ig\nnore')],
    ['holds a raw NUL', REPORT_TEXT.replace('ignore', 'ig\0nore')],
  ])('that %s is 400: not exactly one JSON value', async (_, body) => {
    await expectRefusal(body, 'malformed_body', /JSON|UTF-8|empty/);
  });

  it.each<[string, number[]]>([
    ['a byte that never stands in UTF-8', [0xff]],
    ['a sequence that breaks off', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['what lies beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ])('with %s is 400: invalid UTF-8', async (_, bytes) => {
    const body = Buffer.concat([
      Buffer.from('{"class":"prompt_injection","source":"s","description":"'),
      Buffer.from(bytes),
      Buffer.from('"}'),
    ]);
    await expectRefusal(body, 'malformed_body', /UTF-8/);
  });

  it.each([
    ['an array', `[${REPORT_TEXT}]`],
    ['null', 'null'],
    ['a string', '"report"'],
    ['a number', '42'],
    ['true', 'true'],
  ])('that is %s is 400 at every route: the body must be one JSON object', async (_, body) => {
    for (const route of ROUTES.filter(({ method, type }) => method === 'POST' && type === undefined)) {
      const code = route.path === REPORT ? 'invalid_report' : 'invalid_request';
      await expectRefusal(body, code, /object/, pathOf(route));
    }
  });

  it('nested 10,000 deep is 400 at every route, and the service lives', async () => {
    for (const deep of ['['.repeat(10_000) + ']'.repeat(10_000), '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000)]) {
      for (const route of ROUTES.filter(({ method, type }) => method === 'POST' && type === undefined)) {
        expect((await post(deep, {}, pathOf(route))).status).toBe(400);
      }
      await expectRefusal(
        `{"class":"prompt_injection","source":"s","description":"d","evidence":{"a":${deep}}}`,
        'invalid_report',
        /8 levels/,
      );
    }
    expect((await house.get('/health')).status).toBe(200);
  });

  it('with a key twice counts the last', async () => {
    const answer = await post('{"class":"tool_call_burst","source":"a","source":"b","description":"d","class":"prompt_injection"}');
    expect(answer.json()).toMatchObject({ class: 'prompt_injection', source: 'b' });
  });

  it('of a refused request is read to its end, and the connection serves the next one', async () => {
    using connection = await connectRaw(house.port);
    for (let i = 0; i < 3; i += 1) {
      connection.send(requestText('POST', REPORT, { headers: { 'content-length': '50000' }, body: 'x'.repeat(50_000) }));
      expect((await connection.answer()).status).toBe(401);
    }
    connection.send(
      requestText('POST', REPORT, { headers: { ...AUTHORIZED, 'content-length': String(REPORT_TEXT.length) }, body: REPORT_TEXT }),
    );
    expect((await connection.answer()).status).toBe(201);
  });

  it('of a read is no part of it', async () => {
    const answer = await exchange(
      house.port,
      requestText('GET', '/api/v1/incidents?limit=1', { headers: { 'content-length': '5' }, body: '{"a":' }),
    );
    expect(answer.status).toBe(200);
  });
});
