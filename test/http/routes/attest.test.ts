// Attesting over HTTP: the evidence is handed on as it came, bound to the containment that it lets go.

import { describe, expect, it } from 'vitest';
import { RecorderError } from '../../../src/errors.ts';
import { type AttestParts, attestRoutes } from '../../../src/http/routes/attest.ts';
import { openDoors } from '../../support/doors.ts';
import { INCIDENT, anIncident } from '../../support/held.ts';
import type { Parsed } from '../../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const PATH = `/api/v1/incidents/${INCIDENT}/attest`;
const BINDING = 'ab'.repeat(32);
const RECEIPT = { seq: 42, hash: 'a'.repeat(64) };

async function open() {
  const asked: Parsed[] = [];
  const given: { error: Error | null; replayed: boolean } = { error: null, replayed: false };
  const recorder: AttestParts['recorder'] = {
    async attest(request) {
      asked.push(request);
      if (given.error) throw given.error;
      return { incident: anIncident(), version: 9, receipt: RECEIPT, replayed: given.replayed };
    },
  };
  const doors = await openDoors(() => attestRoutes({ recorder }));
  return { doors, asked, given, [Symbol.asyncDispose]: () => doors[Symbol.asyncDispose]() };
}

describe('an attestation', () => {
  it('is asked of the recorder with all that came with it, and answered with the incident', async () => {
    await using house = await open();
    const evidence = { pcr7: 'abc', quote: { alg: 'sha256', values: [1, 2] } };
    const answer = await house.doors
      .post(PATH, { binding: BINDING, evidence, note: 'reflashed' }, ROLE_TOKENS.operator.token)
      .set('If-Match', '"8"')
      .set('Idempotency-Key', 'k')
      .expect(200);
    expect(house.asked).toMatchObject([
      {
        id: INCIDENT,
        binding: BINDING,
        evidence,
        note: 'reflashed',
        ifMatch: [8],
        caller: { name: 'operator' },
        mark: { token: 'operator' },
      },
    ]);
    expect(answer.headers['etag']).toBe('"9"');
    expect(answer.body).toMatchObject({ id: INCIDENT, audit: RECEIPT });
    house.given.replayed = true;
    const again = await house.doors.post(PATH, { binding: BINDING, evidence: {} }).expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(house.asked[1]).toMatchObject({ evidence: {}, note: null, ifMatch: null, mark: null });
  });

  it.each<[string, unknown, string]>([
    ['nothing', {}, '/binding'],
    ['no evidence', { binding: BINDING }, '/evidence'],
    ['evidence that is null', { binding: BINDING, evidence: null }, '/evidence'],
    ['evidence that is text', { binding: BINDING, evidence: 'good' }, '/evidence'],
    ['evidence that is a list', { binding: BINDING, evidence: [] }, '/evidence'],
    ['evidence with NUL', { binding: BINDING, evidence: { a: '\0' } }, '/evidence/a'],
    ['a binding that is cut short', { binding: BINDING.slice(1), evidence: {} }, '/binding'],
    ['a binding in capitals', { binding: BINDING.toUpperCase(), evidence: {} }, '/binding'],
    ['a binding with a line end', { binding: `${BINDING}\n`, evidence: {} }, '/binding'],
    ['an id', { id: INCIDENT, binding: BINDING, evidence: {} }, '/id'],
    ['a blank note', { binding: BINDING, evidence: {}, note: ' ' }, '/note'],
  ])('with %s is 400, and nobody is asked', async (_, body, pointer) => {
    await using house = await open();
    const answer = await house.doors.post(PATH, body).expect(400);
    expect(answer.body.errors.map((fault: Parsed) => fault.pointer)).toContain(pointer);
    expect(house.asked).toEqual([]);
  });

  it('that is of another containment is 409', async () => {
    await using house = await open();
    house.given.error = new RecorderError('state_conflict', 'no', { state: 'contained', missing: ['attested'] });
    const answer = await house.doors.post(PATH, { binding: BINDING, evidence: {} }).expect(409);
    expect(answer.body).toMatchObject({ code: 'state_conflict', state: 'contained', missing: ['attested'] });
    expect(faultOfProblem(answer)).toBeNull();
  });

  it('comes from operators', async () => {
    await using house = await open();
    const { reporter, reader, operator, admin, actuator } = ROLE_TOKENS;
    await house.doors.post(PATH, {}, null).expect(401);
    for (const { token } of [reporter, reader, actuator]) await house.doors.post(PATH, {}, token).expect(403);
    for (const { token } of [operator, admin]) await house.doors.post(PATH, { binding: BINDING, evidence: {} }, token).expect(200);
  });
});
