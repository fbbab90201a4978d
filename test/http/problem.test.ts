// Refusals: one form for all of them, whoever makes them, and a page for each kind.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecorderError } from '../../src/errors.ts';
import { PROBLEMS, refusalFor } from '../../src/http/problem.ts';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type Parsed, exchange, requestText } from '../support/raw.ts';
import { faultOfProblem } from '../support/routes.ts';

/** The statuses of the contract, by code. */
const STATUSES = {
  malformed_request: 400,
  malformed_body: 400,
  invalid_report: 400,
  invalid_request: 400,
  invalid_parameter: 400,
  invalid_configuration: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  restart_required: 409,
  state_conflict: 409,
  precondition_failed: 412,
  body_too_large: 413,
  unsupported_media_type: 415,
  expectation_failed: 417,
  misdirected: 421,
  idempotency_mismatch: 422,
  precondition_required: 428,
  rate_limited: 429,
  headers_too_large: 431,
  internal: 500,
  storage_full: 503,
  storage_failed: 503,
  draining: 503,
};

let house: TestHouse;
beforeAll(async () => {
  house = await openTestHouse();
});
afterAll(async () => house[Symbol.asyncDispose]());

describe('the kinds of refusal', () => {
  it('have the statuses of the contract, and no others', () => {
    expect(Object.fromEntries(Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]))).toEqual(STATUSES);
  });

  it.each(Object.entries(STATUSES))('%s is explained under the type that it names', async (code, status) => {
    const type = `/problems/${code.replaceAll('_', '-')}`;
    const answer = await house.http.get(type).expect(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.body).toEqual({ type, code, status, title: expect.any(String), meaning: expect.any(String) });
    expect(answer.body.meaning.length).toBeGreaterThan(20);
  });

  it.each(['not_found', 'NOT-FOUND', 'not-found/', 'none', 'constructor', '--proto--'])('%s is not one of them: 404', async (slug) => {
    await house.http.get(`/problems/${slug}`).expect(404);
  });
});

describe('a refusal', () => {
  it('names each field that is wrong by its pointer, and has detail for a person and error for old clients', async () => {
    const answer = await house.post('/api/v1/incidents/report', { class: 7, source: ' ', colour: 'red', evidence: [] }).expect(400);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body.errors.map(({ pointer }: Parsed) => pointer).sort()).toEqual([
      '/class',
      '/colour',
      '/description',
      '/evidence',
      '/source',
    ]);
    for (const { detail } of answer.body.errors) expect(answer.body.detail).toContain(detail);
    expect(answer.body.error).toBe(answer.body.detail);
    expect(faultOfProblem(answer)).toBeNull();
  });

  it('has a request_id of its own each time', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await house.http.get('/nothing')).body.request_id));
    expect(new Set(ids).size).toBe(20);
  });

  it('never repeats what was sent: not a value, not a token, not an overlong name', async () => {
    const secret = 's3cr3t-value-in-a-field';
    const wrong = await house
      .post('/api/v1/incidents/report', { class: secret, source: 'x', description: 'd', severity: secret })
      .expect(400);
    expect(wrong.text).not.toContain(secret);
    const long = await house.post('/api/v1/incidents/report', { ...aReport(), ['x'.repeat(16_000)]: 1 }).expect(400);
    expect(long.text.length).toBeLessThan(2000);
    const many = await house
      .post('/api/v1/incidents/report', Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key-${i}`, 1])))
      .expect(400);
    expect(many.body.errors.length).toBeLessThanOrEqual(20);
    const headers = { authorization: `Basic ${secret}` };
    expect((await exchange(house.port, requestText('GET', '/api/v1/incidents?q=a', { headers }))).body).not.toContain(secret);
  });

  it('escapes in JSON what a name in it holds', async () => {
    const answer = await house.post('/api/v1/incidents/report', { ...aReport(), '"\n\u001b[31m\u202e': 1 }).expect(400);
    expect(answer.body.errors[0].pointer).toBe('/"\n\u001b[31m\u202e');
    expect(answer.text).not.toMatch(/[\u0000-\u001f]/);
  });

  it('writes a pointer as RFC 6901 wants it', async () => {
    const answer = await house.post('/api/v1/incidents/report', aReport({ evidence: { 'a/b~c': [0, { d: '\0' }] } })).expect(400);
    expect(answer.body.errors).toMatchObject([{ pointer: '/evidence/a~1b~0c/1/d' }]);
  });

  it.each([
    ['a bug', new TypeError('cannot read secret.yaml')],
    ['an error of the system', Object.assign(new Error('ENOENT: /etc/secret'), { code: 'ENOENT' })],
    ['a string', 'secret'],
    ['nothing', undefined],
  ])('of %s is internal, and tells nothing of it', (_, error) => {
    const { status, headers, body } = refusalFor(error);
    expect(status).toBe(500);
    expect(body).not.toContain('secret');
    expect(faultOfProblem({ status, headers, body: JSON.parse(body) })).toBeNull();
  });

  it('carries what helps to go on: state, allowed and missing, Retry-After, Allow', () => {
    const conflict = refusalFor(new RecorderError('state_conflict', 'no', { state: 'open', allowed: ['resolve'] }));
    expect(JSON.parse(conflict.body)).toMatchObject({ state: 'open', allowed: ['resolve'] });
    expect(JSON.parse(conflict.body)).not.toHaveProperty('missing');
    const gated = refusalFor(new RecorderError('state_conflict', 'no', { state: 'contained', missing: ['attested'] }));
    expect(JSON.parse(gated.body)).toMatchObject({ state: 'contained', missing: ['attested'] });
    expect(refusalFor(new RecorderError('rate_limited', 'no', { retry_after: 3 })).headers['retry-after']).toBe('3');
    expect(refusalFor(new RecorderError('method_not_allowed', 'no', { methods: ['GET', 'HEAD'] })).headers['allow']).toBe('GET, HEAD');
    expect(refusalFor(new RecorderError('unauthenticated', 'no')).headers['www-authenticate']).toMatch(/^Bearer/);
  });
});

describe('an answer to an old client', () => {
  it('is JSON with error in it, where the original wrote plain text', async () => {
    for (const target of ['/api/v1/incidents/get', '/api/v1/incidents/get?id=INC-20260313-000000', '/api/v1/nothing']) {
      const answer = await house.get(target, SERVICE_TOKEN);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(typeof answer.body.error).toBe('string');
    }
  });
});
