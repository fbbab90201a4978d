// POST /api/v1/incidents/reports: lines of reports, where one bad line spoils only itself.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../../support/house.ts';
import { LAST_CHUNK, type Parsed, type RawAnswer, chunk, connectRaw, exchange, requestText } from '../../support/raw.ts';
import { SECURITY_HEADERS, faultOfProblem } from '../../support/routes.ts';

const REPORTS = '/api/v1/incidents/reports';
const MIB = 1024 * 1024;
const NDJSON = { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/x-ndjson' };
const CHUNKED = { ...NDJSON, 'transfer-encoding': 'chunked' };
const LINE = JSON.stringify(aReport());

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse();
});
afterAll(async () => house[Symbol.asyncDispose]());

async function post(body: string | Buffer): Promise<RawAnswer> {
  const bytes = Buffer.from(body);
  const head = requestText('POST', REPORTS, { headers: { ...NDJSON, 'content-length': String(bytes.length) } });
  return exchange(house.port, Buffer.concat([Buffer.from(head), bytes]));
}

function linesOf(answer: RawAnswer): Parsed[] {
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({ ...SECURITY_HEADERS, 'content-type': 'application/x-ndjson' });
  expect(answer.body === '' || answer.body.endsWith('\n')).toBe(true);
  return answer.body
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

async function total(): Promise<number> {
  return (await house.get('/api/v1/stats')).body.total_incidents;
}

/** One line of the answer that is a refusal, in the form that it would have alone. */
function expectProblem({ line, ...problem }: Parsed, at: number, status: number, code: string): void {
  expect([line, problem.status, problem.code]).toEqual([at, status, code]);
  const headers = { ...SECURITY_HEADERS, 'content-type': 'application/problem+json' };
  expect(faultOfProblem({ status: problem.status, headers, body: problem })).toBeNull();
}

describe('a batch', () => {
  it('answers each line with its number, status, id and receipt, once all of it is in the log', async () => {
    const key = JSON.stringify(aReport({ dedup_key: 'batch' }));
    const answers = linesOf(await post(`${LINE}\n${key}\n${key}\n`));
    expect(answers).toEqual(
      [201, 201, 200].map((status, i) => ({ line: i + 1, status, id: expect.stringMatching(/^INC-/), audit: expect.any(Object) })),
    );
    expect(answers[2].id).toBe(answers[1].id);
    for (const { id, audit } of answers)
      expect(house.records().find(({ seq }) => seq === audit.seq)).toMatchObject({ id, hash: audit.hash });
  });

  it('of bad lines among good ones loses only the bad ones', async () => {
    const before = await total();
    const lines = [
      LINE,
      'not JSON',
      JSON.stringify(aReport({ colour: 'red' })),
      JSON.stringify(aReport({ class: 'unheard_of' })),
      `${LINE}${LINE}`,
      `[${LINE}]`,
      'null',
      JSON.stringify(aReport({ source: 'incident-recorder' })),
      LINE.replace('ignore', 'ig\\ud800nore'),
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      LINE,
    ];
    const bytes = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from(LINE)]);
    const answers = linesOf(await post(bytes));
    expect(answers.map(({ line }) => line)).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    expect(answers.map(({ status }) => status)).toEqual([201, 400, 400, 400, 400, 400, 400, 403, 400, 400, 201, 400, 201]);
    expectProblem(answers[1], 2, 400, 'malformed_body');
    expectProblem(answers[2], 3, 400, 'invalid_report');
    expect(answers[2].errors).toMatchObject([{ pointer: '/colour' }]);
    expectProblem(answers[7], 8, 403, 'forbidden');
    expect(await total()).toBe(before + 3);
  });

  it('counts empty lines, and answers nothing to them', async () => {
    expect(linesOf(await post(`\n${LINE}\r\n\n\r\n${LINE}`)).map(({ line, status }) => [line, status])).toEqual([
      [2, 201],
      [5, 201],
    ]);
  });

  it('of nothing answers nothing', async () => {
    expect(linesOf(await post(''))).toEqual([]);
    expect(linesOf(await post('\n\n'))).toEqual([]);
  });

  it('in pieces is the same, wherever they are cut', async () => {
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORTS, { headers: CHUNKED }));
    for (const piece of `${LINE}\n${LINE}\n`.match(/[\s\S]{1,33}/g) ?? []) connection.send(chunk(piece));
    connection.send(LAST_CHUNK);
    expect(linesOf(await connection.answer()).map(({ status }) => status)).toEqual([201, 201]);
  });

  it('may have lines of 64 KiB; one of a byte more is 413 by itself', async () => {
    const answers = linesOf(await post(`${LINE.padEnd(65_536)}\n${LINE.padEnd(65_537)}\n${LINE}\n`));
    expect(answers.map(({ status }) => status)).toEqual([201, 413, 201]);
    expectProblem(answers[1], 2, 413, 'body_too_large');
  });

  it('may have 1,000 lines; what follows is not taken, and the answer says from which line on', async () => {
    const before = await total();
    expect(linesOf(await post(`${LINE}\n`.repeat(1000))).every(({ status }) => status === 201)).toBe(true);
    expect(await total()).toBe(before + 1000);
    const answer = await post('{}\n'.repeat(1000) + `${LINE}\n`.repeat(20));
    const answers = linesOf(answer);
    expect(answers).toHaveLength(1001);
    expectProblem(answers[1000], 1001, 413, 'body_too_large');
    expect(await total()).toBe(before + 1000);
  });

  it('may have 1 MiB; one byte more is 413 at Content-Length, nothing is taken, and the connection ends', async () => {
    const before = await total();
    expect(linesOf(await post(`${LINE}\n`.padEnd(MIB, '\n'))).map(({ status }) => status)).toEqual([201]);
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORTS, { headers: { ...NDJSON, 'content-length': String(MIB + 1) } }));
    const answer = await connection.answer();
    expect(answer.json()).toMatchObject({ status: 413, code: 'body_too_large' });
    expect(answer.headers['connection']).toBe('close');
    expect(await connection.closed()).toEqual([]);
    expect(await total()).toBe(before + 1);
  });

  it.each([
    ['over 1 MiB in chunks', [`${LINE}\n`, ' '.repeat(60_000).concat('\n').repeat(18)], 413],
    ['over 1,000 lines in chunks', [`${LINE}\n`, '{}\n'.repeat(999), `${LINE}\n`], 413],
  ])('%s that never end answers what it took and where it stopped, and the connection ends', async (_, pieces, last) => {
    const before = await total();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORTS, { headers: CHUNKED }));
    for (const piece of pieces) connection.send(chunk(piece));
    const answer = await connection.answer();
    const answers = linesOf(answer);
    expect(answers[0]).toMatchObject({ line: 1, status: 201 });
    expectProblem(answers.at(-1), answers.length, last, 'body_too_large');
    expect(answer.headers['connection']).toBe('close');
    expect(await connection.closed()).toEqual([]);
    expect(await total()).toBe(before + 1);
  });

  it('is read line by line: its first lines are in the log while the rest is still to come', async () => {
    const before = await total();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORTS, { headers: CHUNKED }));
    connection.send(chunk(`${LINE}\n${LINE}\n${LINE.slice(0, 20)}`));
    await vi.waitFor(async () => expect(await total()).toBe(before + 2), 5000);
    connection.send(chunk(LINE.slice(20)));
    connection.send(LAST_CHUNK);
    expect(linesOf(await connection.answer()).map(({ status }) => status)).toEqual([201, 201, 201]);
  });

  it('that breaks off keeps what had come whole, and takes nothing of the line that had not', async () => {
    const before = await total();
    using connection = await connectRaw(house.port);
    connection.send(requestText('POST', REPORTS, { headers: CHUNKED }));
    connection.send(chunk(`${LINE}\n${LINE}`));
    await vi.waitFor(async () => expect(await total()).toBe(before + 1), 5000);
    connection.end();
    expect((await connection.answer()).status).toBe(400);
    await connection.closed();
    expect(await total()).toBe(before + 1);
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
