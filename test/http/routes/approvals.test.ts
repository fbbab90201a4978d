// Approvals over HTTP: what waits for an operator's word, and that the word is bound to exactly what was read.

import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../../src/errors.ts';
import type { Approval } from '../../../src/incident/approval.ts';
import { type ApprovalParts, approvalRoutes } from '../../../src/http/routes/approvals.ts';
import { openDoors } from '../../support/doors.ts';
import { anApproval, approvalId, newestFirst, pagesOf } from '../../support/held.ts';
import type { Parsed } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const API = '/api/v1/approvals';
const RECEIPT = { seq: 42, hash: 'a'.repeat(64) };
const DECISION = `${API}/${approvalId(1)}/decision`;
const { digest: DIGEST } = anApproval(1);
const { operator: OPERATOR } = ROLE_TOKENS;

async function open(approvals: readonly Approval[] = [anApproval(1)]) {
  const asked: Parsed[] = [];
  const filters: Parsed[] = [];
  const given: { error: Error | null; replayed: boolean } = { error: null, replayed: false };
  const parts: ApprovalParts = {
    store: {
      approvals: {
        byId: (id) => approvals.find((approval) => approval.id === id) ?? null,
        list(status, before, limit) {
          filters.push(status);
          return newestFirst(approvals, before, limit);
        },
        reach: () => null,
      },
    },
    recorder: {
      async decideApproval(request) {
        asked.push(request);
        if (given.error) throw given.error;
        return {
          approval: anApproval(1, { status: 'approved', decided_by: 'operator:operator' }),
          receipt: RECEIPT,
          replayed: given.replayed,
        };
      },
    },
  };
  const doors = await openDoors(() => approvalRoutes(parts));
  return { doors, asked, filters, given, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() };
}

describe('an approval', () => {
  it('is shown whole, with its digest as ETag', async () => {
    await using house = await open();
    const answer = await house.doors.get(`${API}/${approvalId(1)}`).expect(200);
    expect(answer.headers['etag']).toBe(`"${DIGEST}"`);
    const { seq: _, ...shown } = anApproval(1);
    expect(answer.body).toEqual(shown);
  });

  it('that is not there is 404', async () => {
    await using house = await open();
    expect((await house.doors.get(`${API}/${approvalId(2)}`).expect(404)).body.detail).toBe('there is no such approval');
    for (const id of ['APR-1', 'APR-00000000000G', 'HLD-000000000001'])
      expect((await house.doors.get(`${API}/${id}`).expect(404)).body.detail).toBe('there is no such path');
  });
});

describe('the list of approvals', () => {
  it('is newest first, in pages, and narrowed by status', async () => {
    const many = Array.from({ length: 7 }, (_, i) => anApproval(i + 1));
    await using house = await open(many);
    const pages = await pagesOf((path) => house.doors.get(path), `${API}?limit=3&status=pending,approved`);
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(many.map(({ id }) => id).toReversed());
    expect(house.filters[0]).toEqual(['pending', 'approved']);
    await house.doors.get(API).expect(200);
    expect(house.filters.at(-1)).toBeNull();
  });

  it.each(['status=open', 'status=', 'limit=0', 'cursor=x', 'id=1'])('is refused with ?%s', async (query) => {
    await using house = await open();
    expect((await house.doors.get(`${API}?${query}`).expect(400)).body.code).toBe('invalid_parameter');
  });
});

describe('a decision', () => {
  it.each(['approve', 'reject'])('%s is asked of the recorder, with the digest of what was read', async (decision) => {
    await using house = await open();
    const answer = await house.doors
      .post(DECISION, { decision, note: 'seen' }, OPERATOR.token)
      .set('If-Match', ` "${DIGEST}" `)
      .set('Idempotency-Key', 'k')
      .expect(200);
    expect(house.asked).toMatchObject([
      { id: approvalId(1), decision, digest: DIGEST, note: 'seen', caller: { name: 'operator' }, mark: { token: 'operator' } },
    ]);
    expect(answer.headers['etag']).toBe(`"${DIGEST}"`);
    expect(answer.body).toMatchObject({ status: 'approved', audit: RECEIPT });
    house.given.replayed = true;
    const again = await house.doors.post(DECISION, { decision }).set('If-Match', `"${DIGEST}"`).expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
  });

  it.each([
    ['without If-Match', null],
    ['with an empty one', ' '],
    ['with one that takes anything', '*'],
  ])('%s is 428, and nobody is asked', async (_, header) => {
    await using house = await open();
    const request = house.doors.post(DECISION, { decision: 'approve' });
    const answer = await (header === null ? request : request.set('If-Match', header)).expect(428);
    expect(answer.body.code).toBe('precondition_required');
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.asked).toEqual([]);
  });

  it.each([
    ['a weak one', `W/"${DIGEST}"`],
    ['one without quotes', DIGEST],
    ['one of two', `"${DIGEST}", "${'0'.repeat(64)}"`],
    ['a version', '"42"'],
    ['one in capitals', `"${DIGEST.toUpperCase()}A"`],
    ['one that is cut short', `"${DIGEST.slice(1)}"`],
  ])('with %s is 412, and nobody is asked', async (_, header) => {
    await using house = await open();
    const answer = await house.doors.post(DECISION, { decision: 'approve' }).set('If-Match', header).expect(412);
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.asked).toEqual([]);
  });

  it.each([
    ['precondition_failed', 412],
    ['forbidden', 403],
    ['not_found', 404],
    ['state_conflict', 409],
  ] as const)('that the recorder refuses as %s is %i', async (code, status) => {
    await using house = await open();
    house.given.error = new RecorderError(code, 'no');
    const answer = await house.doors
      .post(DECISION, { decision: 'approve' })
      .set('If-Match', `"${'0'.repeat(64)}"`)
      .expect(status);
    expect(faultOfProblem(answer)).toBeNull();
  });

  it.each<[string, unknown]>([
    ['nothing', {}],
    ['null', { decision: null }],
    ['yes', { decision: 'yes' }],
    ['a step', { decision: 'approved' }],
    ['capitals', { decision: 'APPROVE' }],
    ['both', { decision: ['approve', 'reject'] }],
    ['a digest', { decision: 'approve', digest: DIGEST }],
    ['a blank note', { decision: 'approve', note: '' }],
    ['a list', []],
  ])('of %s is 400, before If-Match is asked for', async (_, body) => {
    await using house = await open();
    expect((await house.doors.post(DECISION, body).expect(400)).body.code).toBe('invalid_request');
    expect(house.asked).toEqual([]);
  });
});

describe('who may', () => {
  it('see approvals: readers; decide: operators; neither reporters nor actuators', async () => {
    await using house = await open();
    const { reporter, reader, operator, admin, actuator } = ROLE_TOKENS;
    for (const path of [API, `${API}/${approvalId(1)}`]) {
      await house.doors.get(path, null).expect(401);
      for (const { token } of [reporter, actuator]) await house.doors.get(path, token).expect(403);
      for (const { token } of [reader, operator, admin]) await house.doors.get(path, token).expect(200);
    }
    const decide = (token: string | null) => house.doors.post(DECISION, { decision: 'approve' }, token).set('If-Match', `"${DIGEST}"`);
    await decide(null).expect(401);
    for (const { token } of [reporter, reader, actuator]) await decide(token).expect(403);
    expect(house.asked).toEqual([]);
    for (const { token } of [operator, admin]) await decide(token).expect(200);
  });
});
