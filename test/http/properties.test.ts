// Whatever is sent to whatever route: never a 5xx, always JSON, and a refusal changes nothing.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, createClock, openTestHouse } from '../support/house.ts';
import { type RawAnswer, connectRaw, exchange, requestText } from '../support/raw.ts';
import { type Ids, POLICY_OF_ALL, type PromisedRoute, ROUTES, faultOfProblem, oneOfEach, pathOf } from '../support/routes.ts';

const JSON_TYPES = ['application/json', 'application/problem+json', 'application/x-ndjson'];

let house: TestHouse;
let id: string;
let ids: Ids;
beforeAll(async () => {
  // Refused tokens are recorded at most twice a minute, and no command is overdue: with the clocks standing still, nothing comes by itself.
  const { now, monotonic } = createClock();
  house = await openTestHouse({ policy: POLICY_OF_ALL, env: { REPORT_WAIT_MS: '0' }, now, monotonic });
  for (let i = 0; i < 20; i += 1) await house.http.post('/api/v1/reload').expect(401);
  await vi.waitFor(async () => expect((await house.get('/api/v1/stats')).body.total_incidents).toBe(1));
  ids = await oneOfEach(house);
  id = (await house.post('/api/v1/incidents/report', aReport()).expect(201)).body.id;
});
afterAll(async () => {
  expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  expect((await house.get('/health')).body.status).toBe('ok');
  await house[Symbol.asyncDispose]();
});

/** All that a refusal must leave as it was: the length of the log is that of all its records. */
async function state(): Promise<string> {
  const { size } = statSync(join(house.dir, 'audit.jsonl'));
  return `${size} ${(await exchange(house.port, requestText('GET', '/api/v1/stats'))).body}`;
}

function expectWellBehaved(answer: RawAnswer): void {
  expect(answer.status).toBeLessThan(500);
  expect(JSON_TYPES).toContain(answer.headers['content-type']);
  if (answer.headers['content-type'] === 'application/x-ndjson') {
    for (const line of answer.body.split('\n').filter((text) => text !== '')) expect(JSON.parse(line).status).toBeLessThan(500);
    return;
  }
  const body = answer.json();
  if (answer.status >= 400) expect(faultOfProblem({ ...answer, body })).toBeNull();
}

/** Sends something, and holds all that is answered to the promise; `mayChange` says whether these answers allow a change. */
async function expectPromiseKept(send: () => Promise<RawAnswer[]>, mayChange: (answers: RawAnswer[]) => boolean): Promise<void> {
  const before = await state();
  const answers = await send();
  for (const answer of answers) expectWellBehaved(answer);
  if (!mayChange(answers)) expect(await state()).toBe(before);
}

const NEVER = () => false;
const WHEN_TAKEN = (answers: RawAnswer[]) => answers.some(isTaken);

/** A batch is 200 whatever its lines are: it is taken when one of them is. */
function isTaken({ status, headers, body }: RawAnswer): boolean {
  return status < 300 && (headers['content-type'] !== 'application/x-ndjson' || /"status":20[01],/.test(body));
}

const AUTHORIZED = { authorization: `Bearer ${SERVICE_TOKEN}` };

function request(route: PromisedRoute, body: Buffer, more: Record<string, string> = {}): Buffer {
  const headers = {
    ...AUTHORIZED,
    ...route.headers,
    ...(route.type && { 'content-type': route.type }),
    'content-length': String(body.length),
    ...more,
  };
  return Buffer.concat([Buffer.from(requestText(route.method, pathOf(route, id, ids), { headers })), body]);
}

/** A body that the route takes, with some members put in the place of others. */
const nearlyGood = (route: PromisedRoute) =>
  fc
    .dictionary(fc.oneof(fc.constantFrom(...FIELDS), fc.string()), fc.jsonValue(), { maxKeys: 2 })
    .map((changes) => ({ ...route.body?.(id), ...changes }));
const FIELDS = [
  'class',
  'source',
  'description',
  'severity',
  'evidence',
  'subject',
  'dedup_key',
  'confidence',
  'occurred_at',
  'attack',
  'id',
  'note',
  'resolution',
  'ttl',
  'expires_at',
  'status',
  'error',
  'binding',
  'decision',
  'holds',
  'desired_digest',
  'boot_id',
];

describe('arbitrary JSON', () => {
  it.each(ROUTES.filter(({ method }) => method === 'POST'))(
    'at $path is taken or refused, and what is refused changes nothing',
    async (route) => {
      const body = fc.oneof(
        fc.jsonValue({ maxDepth: 12 }),
        nearlyGood(route),
        nearlyGood(route).map((value) => ({ ...aReport(), ...value })),
      );
      await fc.assert(
        fc.asyncProperty(body, async (value) => {
          await expectPromiseKept(async () => [await exchange(house.port, request(route, Buffer.from(JSON.stringify(value))))], WHEN_TAKEN);
        }),
        { numRuns: 60, examples: [[{ ['__proto__']: 1 }], [{ constructor: { prototype: {} } }], [[]], [null]] },
      );
    },
  );

  it.each(ROUTES.filter(({ method }) => method === 'GET'))(
    'as the query of $path is taken or refused, and changes nothing',
    async (route) => {
      const names = fc.oneof(
        fc.constantFrom(
          ...['class', 'state', 'severity', 'source', 'since', 'until', 'q', 'limit', 'cursor', 'id', 'verbose'],
          ...['status', 'action', 'actuator', 'hold', 'after'],
        ),
        fc.string(),
      );
      const values = fc.oneof(
        fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
        fc.jsonValue().map((value) => JSON.stringify(value)),
        fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 4 }), async (pairs) => {
          const query = new URLSearchParams(pairs.map(([name, value]) => [name.toWellFormed(), value])).toString();
          const [path = '', own] = pathOf(route, id, ids).split('?');
          const target = `${path}?${[own, query].filter((part) => part !== undefined).join('&')}`;
          await expectPromiseKept(async () => [await exchange(house.port, requestText('GET', target, { headers: AUTHORIZED }))], NEVER);
        }),
        { numRuns: 25 },
      );
    },
  );
});

describe('arbitrary bytes', () => {
  const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

  it.each(ROUTES)('as a body at $method $path are taken or refused, and what is refused changes nothing', async (route) => {
    await fc.assert(
      fc.asyncProperty(bytes(400), async (body) => {
        await expectPromiseKept(async () => [await exchange(house.port, request(route, body))], WHEN_TAKEN);
      }),
      { numRuns: 20 },
    );
  });

  it('as a path are a path that is not there, and change nothing', async () => {
    const target = fc.oneof(
      fc.webPath(),
      fc.string().map((text) => `/${encodeURIComponent(text.toWellFormed())}`),
      fc.string().map((text) => `/api/v1/incidents/${encodeURIComponent(text.toWellFormed())}`),
      fc.stringMatching(/^\/[!-~]{0,40}$/),
      fc.stringMatching(/^[!-~]{1,40}$/),
    );
    await fc.assert(
      fc.asyncProperty(target, fc.constantFrom('GET', 'POST', 'DELETE'), async (path, method) => {
        await expectPromiseKept(async () => {
          using connection = await connectRaw(house.port);
          connection.send(requestText(method, path, { headers: AUTHORIZED }));
          connection.end();
          const answers = await connection.closed();
          for (const { status } of answers) expect([400, 404, 405, 421]).toContain(status);
          return answers;
        }, NEVER);
      }),
      { numRuns: 200 },
    );
  });

  /** Sends bytes and the end of them, and gives back all that is answered; nothing may come that is no answer. */
  async function answersTo(sent: Buffer): Promise<RawAnswer[]> {
    using connection = await connectRaw(house.port);
    connection.send(sent);
    connection.end();
    const answers = await connection.closed();
    expect(connection.rest().toString('latin1')).toBe('');
    return answers;
  }

  it('on the socket are answered with 400 as JSON or not at all', async () => {
    await fc.assert(
      fc.asyncProperty(bytes(600), async (sent) => {
        await expectPromiseKept(async () => {
          const answers = await answersTo(sent);
          expect(answers.length).toBeLessThanOrEqual(1);
          // Empty lines before a request are none yet (RFC 9112 §2.2).
          if (/[^\r\n]/.test(sent.toString('latin1'))) expect(answers.map(({ status }) => status)).toEqual([400]);
          return answers;
        }, NEVER);
      }),
      { numRuns: 200 },
    );
  });

  it('inside a good request are answered as JSON or not at all, and what is refused changes nothing', async () => {
    const damage = fc.tuple(fc.constantFrom(...ROUTES), fc.nat(1000), fc.nat(30), bytes(12), fc.boolean());
    await fc.assert(
      fc.asyncProperty(damage, async ([route, at, cut, inserted, chunked]) => {
        const body = Buffer.from(JSON.stringify(route.body?.(id) ?? {}));
        const whole = chunked
          ? Buffer.from(
              requestText(route.method, pathOf(route, id, ids), {
                headers: { ...AUTHORIZED, ...route.headers, 'transfer-encoding': 'chunked' },
                body: `${body.length.toString(16)}\r\n${body.toString()}\r\n0\r\n\r\n`,
              }),
            )
          : request(route, body);
        const from = at % whole.length;
        const sent = Buffer.concat([whole.subarray(0, from), inserted, whole.subarray(from + cut)]);
        // No answer at all: the request was whole, and what was left of it stood behind it as another one, which closes the connection.
        // A batch that breaks off keeps the lines that had come whole.
        await expectPromiseKept(
          async () => answersTo(sent),
          (answers) => route.type !== undefined || answers.length === 0 || WHEN_TAKEN(answers),
        );
      }),
      { numRuns: 400 },
    );
  });
});
