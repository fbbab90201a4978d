// Containment through the doors of a whole recorder: an actuator that fetches, results, waits that end with them, gates and approvals.

import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SERVICE_TOKEN, type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type Parsed, connectRaw, exchange, requestText } from '../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../support/routes.ts';

const API = '/api/v1';
const { reporter: REPORTER, operator: OPERATOR, actuator: ACTUATOR, reader: READER } = ROLE_TOKENS;
const TOKENS = { ...ROLE_TOKENS, airlock: { token: 'airlock-'.repeat(4), role: 'actuator', actuator: 'airlock' } };
const POLICY = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent]}
  tool_call_burst: {auto_contain: true, actions: [{action: disable_airlock, ttl: 1h}]}
  attestation_failure: {auto_contain: true, actions: [freeze_agent], release: {gate: [acknowledged, attested]}}
  policy_bypass_attempt: {auto_contain: true, actions: [{action: freeze_agent, approve: severity >= low}]}
  manifest_mismatch: {auto_contain: true, actions: [quarantine_model]}
actuators:
  agent: {actions: [freeze_agent], pull: true, heartbeat: 1h}
  airlock: {actions: [disable_airlock], pull: true}
`;

const open = async () => openTestHouse({ policy: POLICY, tokens: TOKENS });

async function fetchNext(house: TestHouse, after = 0, wait = 10, name = 'agent'): Promise<{ commands: Parsed[]; after: number }> {
  const token = name === 'agent' ? ACTUATOR.token : TOKENS.airlock.token;
  return (await house.get(`${API}/actuators/${name}/commands?after=${after}&wait=${wait}`, token).expect(200)).body;
}

const tell = (house: TestHouse, command: string, body: object, token = ACTUATOR.token) =>
  house.post(`${API}/commands/${command}/result`, body, token);

/** Reports, without waiting for what comes of it. */
const report = async (house: TestHouse, more: object = {}, token = REPORTER.token) =>
  (
    await house
      .post(`${API}/incidents/report`, aReport({ ...more }), token)
      .set('Prefer', 'wait=0')
      .expect(201)
  ).body;

/** Does whatever the agent is told, until nothing is left. */
async function obey(house: TestHouse, name = 'agent'): Promise<void> {
  const token = name === 'agent' ? ACTUATOR.token : TOKENS.airlock.token;
  const { commands } = await fetchNext(house, 0, 0, name);
  for (const { command_id, op } of commands)
    await tell(house, command_id, { status: op === 'apply' ? 'enforced' : 'released' }, token).expect(200);
}

describe('a report', () => {
  it('is answered contained, once its actuator has fetched the command and said that it is done', async () => {
    await using house = await open();
    const fetching = fetchNext(house);
    const asked = house
      .post(`${API}/incidents/report`, aReport(), REPORTER.token)
      .set('Prefer', 'wait=20')
      .then((answer) => answer);
    const { commands, after } = await fetching;
    expect(commands).toMatchObject([{ op: 'apply', action: 'freeze_agent', target: { type: 'agent', id: '*' }, attempt: 1, drill: false }]);
    const [{ command_id, hold_id, seq }] = commands as [Parsed];
    expect(after).toBe(seq);
    const told = await tell(house, command_id, { status: 'enforced', evidence: { frozen: true } }).expect(200);
    expect(told.body).toMatchObject({ id: command_id, hold_id, status: 'succeeded', evidence: { frozen: true } });
    const answer = await asked;
    expect(answer.status).toBe(201);
    expect(answer.headers['preference-applied']).toBe('wait=20');
    expect(answer.body).toMatchObject({
      state: 'contained',
      containment: { status: 'enforced', actions: [{ hold_id, status: 'enforced', actuator: 'agent' }] },
    });
    const now = await house.get(`${API}/incidents/${answer.body.id}`).expect(200);
    // The receipt is that of the report; all else is the incident as it is.
    expect({ ...now.body, audit: answer.body.audit }).toEqual(answer.body);
    expect(now.headers['etag']).toBe(answer.headers['etag']);
    expect(house.records().find(({ seq: each }) => each === answer.body.audit.seq)).toMatchObject({
      type: 'incident.reported',
      id: answer.body.id,
    });
    expect((await fetchNext(house, 0, 0)).commands).toEqual([]);
  });

  it('waits a second of itself where somebody can be asked, and says that it is under way', async () => {
    await using house = await open();
    const began = performance.now();
    const { body, headers } = await house.post(`${API}/incidents/report`, aReport(), REPORTER.token).expect(201);
    expect(performance.now() - began).toBeGreaterThan(990);
    expect(body).toMatchObject({ state: 'open', containment: { status: 'requested' } });
    expect(headers['preference-applied']).toBeUndefined();
    const other = performance.now();
    const alone = aReport({ class: 'manifest_mismatch' });
    await house.post(`${API}/incidents/report`, alone, REPORTER.token).set('Prefer', 'wait=20').expect(201);
    expect(performance.now() - other).toBeLessThan(10_000);
  });

  it('is answered at once where that is configured', async () => {
    await using house = await openTestHouse({ policy: POLICY, env: { REPORT_WAIT_MS: '0' } });
    const began = performance.now();
    await house.post(`${API}/incidents/report`, aReport()).expect(201);
    expect(performance.now() - began).toBeLessThan(900);
  });

  it('in the time of the default wait, contained by who is quick', async () => {
    await using house = await open();
    const asked = house.post(`${API}/incidents/report`, aReport(), REPORTER.token).then(({ body }) => body);
    await fetchNext(house);
    await obey(house);
    expect(await asked).toMatchObject({ state: 'contained' });
  });
});

describe('holds and commands', () => {
  let house: TestHouse;
  let incident: Parsed;
  beforeAll(async () => {
    house = await open();
    incident = await report(house, { class: 'tool_call_burst' });
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it('are listed, shown and extended; an older ETag is 412, and a key makes it once', async () => {
    const [{ id }] = (await house.get(`${API}/holds?actuator=airlock`, READER.token).expect(200)).body;
    const hold = await house.get(`${API}/holds/${id}`, READER.token).expect(200);
    expect(hold.body).toMatchObject({ action: 'disable_airlock', target: 'airlock:*', owners: { count: 1, ids: [incident.id] } });
    const extend = async (body: object, etag: string) =>
      house.post(`${API}/holds/${id}/extend`, body, OPERATOR.token).set('If-Match', etag).set('Idempotency-Key', 'extend');
    const done = await extend({ ttl: '3h' }, hold.headers['etag'] ?? '');
    expect(done.status).toBe(200);
    expect(Date.parse(done.body.expires_at) - Date.parse(hold.body.expires_at)).toBeGreaterThan(7_000_000);
    expect(house.records().find(({ seq }) => seq === done.body.audit.seq)).toMatchObject({
      type: 'hold.extended',
      id,
      actor: 'operator:operator',
    });
    expect((await extend({ ttl: '3h' }, hold.headers['etag'] ?? '')).headers['idempotent-replayed']).toBe('true');
    expect((await extend({ ttl: '4h' }, hold.headers['etag'] ?? '')).status).toBe(422);
    const stale = await house
      .post(`${API}/holds/${id}/extend`, { ttl: '9h' })
      .set('If-Match', hold.headers['etag'] ?? '')
      .expect(412);
    expect(faultOfProblem(stale)).toBeNull();
    await house.post(`${API}/holds/${id}/apply`, {}).expect(409);
    const [command] = (await house.get(`${API}/commands?hold=${id}`, READER.token).expect(200)).body;
    expect(command).toMatchObject({ hold_id: id, actuator: 'airlock', status: 'pending', incidents: { count: 1, ids: [incident.id] } });
    expect((await house.get(`${API}/commands?actuator=nobody`).expect(200)).body).toEqual([]);
    await house.post(`${API}/commands/${command.id}/retry`, {}).expect(409);
  });

  it('take a result of their own actuator alone, once, and no contradiction', async () => {
    const { commands } = await fetchNext(house, 0, 0, 'airlock');
    const { command_id } = commands[0];
    const { token } = TOKENS.airlock;
    await tell(house, command_id, { status: 'enforced' }).expect(403);
    await tell(house, command_id, { status: 'banana' }, token).expect(400);
    await tell(house, command_id, { status: 'released' }, token).expect(409);
    await tell(house, command_id, { status: 'accepted' }, token).expect(200);
    await tell(house, command_id, { status: 'enforced' }, token).expect(200);
    const before = house.records().length;
    const again = await tell(house, command_id, { status: 'enforced' }, token).expect(200);
    expect(again.headers['idempotent-replayed']).toBe('true');
    const contradiction = await tell(house, command_id, { status: 'failed', error: 'no' }, token).expect(409);
    expect(faultOfProblem(contradiction)).toBeNull();
    expect(house.records()).toHaveLength(before);
    expect((await house.get(`${API}/incidents/${incident.id}`)).body).toMatchObject({ state: 'contained' });
  });

  it('are released by an operator, and waited for by who resolves', async () => {
    const own = await report(house);
    await obey(house);
    const asked = house
      .post(`${API}/incidents/resolve`, { id: own.id }, OPERATOR.token)
      .set('Prefer', 'wait=20')
      .then((answer) => answer);
    const { commands } = await fetchNext(house);
    expect(commands).toMatchObject([{ op: 'release', action: 'freeze_agent' }]);
    expect((await house.get(`${API}/incidents/${own.id}`)).body).toMatchObject({ state: 'resolved', containment: { status: 'releasing' } });
    await tell(house, commands[0].command_id, { status: 'released' }).expect(200);
    const answer = await asked;
    expect(answer.headers['preference-applied']).toBe('wait=20');
    expect(answer.body).toMatchObject({ state: 'resolved', containment: { status: 'released' } });

    const [{ id }] = (await house.get(`${API}/holds?actuator=airlock`)).body;
    const released = await house.post(`${API}/holds/${id}/release`, { note: 'by hand' }, OPERATOR.token).expect(200);
    expect(released.body).toMatchObject({ id, status: 'releasing', ending: 'released' });
    await obey(house, 'airlock');
    expect((await house.get(`${API}/holds/${id}`)).body).toMatchObject({ status: 'released' });
    expect((await house.get(`${API}/holds`)).body.map((hold: Parsed) => hold.id)).not.toContain(id);
    expect((await house.get(`${API}/holds?status=released&limit=200`)).body.map((hold: Parsed) => hold.id)).toContain(id);
  });
});

describe('what an actuator is to make true', () => {
  it('is all of its holds, known again by its ETag, and told with each heartbeat', async () => {
    await using house = await open();
    const empty = await house.get(`${API}/actuators/agent/desired`, ACTUATOR.token).expect(200);
    expect(empty.body.holds).toEqual([]);
    await report(house);
    const desired = await house.get(`${API}/actuators/agent/desired`, ACTUATOR.token).expect(200);
    expect(desired.body).toMatchObject({
      actuator: 'agent',
      holds: [{ action: 'freeze_agent', target: { type: 'agent', id: '*' }, params: {} }],
    });
    const etag = desired.headers['etag'] ?? '';
    expect(etag).toBe(`"${desired.body.digest}"`);
    expect(etag).not.toBe(empty.headers['etag']);
    await obey(house);
    // How far it has come is no part of it.
    await house.get(`${API}/actuators/agent/desired`, ACTUATOR.token).set('If-None-Match', etag).expect(304);
    const hold = desired.body.holds[0].hold_id;
    const beat = await house.post(
      `${API}/actuators/agent/heartbeat`,
      { desired_digest: etag, holds: [hold], boot_id: 'one' },
      ACTUATOR.token,
    );
    expect(beat.body).toEqual({ desired_digest: desired.body.digest, interval_ms: 3_600_000 });
    await vi.waitFor(async () => expect((await house.get(`${API}/holds/${hold}`)).body.status).toBe('verified'), 5000);
    await house.post(`${API}/holds/${hold}/release`, {}).expect(200);
    const after = await house.post(`${API}/actuators/agent/heartbeat`, {}, ACTUATOR.token).expect(200);
    expect(after.body.desired_digest).toBe(empty.body.digest);
  });
});

describe('a release gate', () => {
  it('refuses to resolve with what is missing, and is met by an acknowledgement and an attestation of this very containment', async () => {
    await using house = await open();
    const { id } = await report(house, { class: 'attestation_failure' });
    await obey(house);
    const refused = await house.post(`${API}/incidents/resolve`, { id }).expect(409);
    expect(refused.body).toMatchObject({ code: 'state_conflict', missing: ['acknowledged', 'attested'] });
    expect(faultOfProblem(refused)).toBeNull();
    await house.post(`${API}/incidents/acknowledge`, { id }).expect(200);
    const shown = (await house.get(`${API}/incidents/${id}`)).body;
    expect(shown.release).toMatchObject({
      gate: ['acknowledged', 'attested'],
      missing: ['attested'],
      binding: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const attest = async (binding: string) =>
      house.post(`${API}/incidents/${id}/attest`, { binding, evidence: { pcr7: 'abc' } }, OPERATOR.token);
    expect((await attest('0'.repeat(64))).status).toBe(409);
    const attested = await attest(shown.release.binding);
    expect(attested.status).toBe(200);
    expect(attested.body.release).toMatchObject({ missing: [] });
    await house.post(`${API}/incidents/resolve`, { id }).expect(200);
    expect(
      (await house.post(`${API}/incidents/${(await report(house)).id}/attest`, { binding: '0'.repeat(64), evidence: {} })).status,
    ).toBe(409);
  });
});

describe('an approval', () => {
  it('waits for another than the reporter, is bound to what was read, and shows what became of it', async () => {
    await using house = await open();
    const own = await report(house, { class: 'policy_bypass_attempt' }, SERVICE_TOKEN);
    expect(own.containment.status).toBe('awaiting_approval');
    const [{ id }] = (await house.get(`${API}/approvals?status=pending`, READER.token).expect(200)).body;
    const approval = await house.get(`${API}/approvals/${id}`, READER.token).expect(200);
    const decide = (token: string, etag = approval.headers['etag'] ?? '') =>
      house.post(`${API}/approvals/${id}/decision`, { decision: 'approve', note: 'go' }, token).set('If-Match', etag);
    await house.post(`${API}/approvals/${id}/decision`, { decision: 'approve' }, OPERATOR.token).expect(428);
    await decide(OPERATOR.token, `"${'0'.repeat(64)}"`).expect(412);
    expect((await decide(SERVICE_TOKEN).expect(403)).body.detail).toContain('reported');
    expect((await fetchNext(house, 0, 0)).commands).toEqual([]);
    const decided = await decide(OPERATOR.token).expect(200);
    expect(decided.body).toMatchObject({ status: 'approved', note: 'go', outcome: [{ status: 'requested' }] });
    await decide(OPERATOR.token).expect(409);
    await obey(house);
    expect((await house.get(`${API}/approvals/${id}`)).body).toMatchObject({ outcome: [{ status: 'enforced' }] });
    expect((await house.get(`${API}/incidents/${own.id}`)).body.state).toBe('contained');
  });
});

describe('a recorder that ends', () => {
  it('answers at once all who wait: reports as they stand, polls with nothing', async () => {
    await using house = await open();
    const headers = (token: string) => ({ authorization: `Bearer ${token}` });
    const text = JSON.stringify(aReport());
    const poll = exchange(
      house.port,
      requestText('GET', `${API}/actuators/airlock/commands?wait=30`, { headers: headers(TOKENS.airlock.token) }),
    );
    using reporter = await connectRaw(house.port);
    reporter.send(
      requestText('POST', `${API}/incidents/report`, {
        headers: { ...headers(REPORTER.token), prefer: 'wait=30', 'content-length': String(text.length) },
        body: text,
      }),
    );
    await vi.waitFor(() => expect(house.records().some(({ type }) => type === 'incident.reported')).toBe(true));
    await setTimeout(100);
    const began = performance.now();
    const closing = house.close();
    const answer = await reporter.answer();
    expect(answer.status).toBe(201);
    expect(answer.json()).toMatchObject({ state: 'open', containment: { status: 'requested' } });
    expect((await poll).json()).toEqual({ commands: [], after: 0 });
    await closing;
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(house.records().at(-1)?.type).toBe('service.stopped');
  });
});

describe('many who wait', () => {
  it('leave room for an operator, whose step is done while they do', async () => {
    await using house = await open();
    const text = JSON.stringify(aReport());
    const connections = await Promise.all(Array.from({ length: 40 }, async () => connectRaw(house.port)));
    try {
      for (const [i, connection] of connections.entries()) {
        const token = i % 2 === 0 ? REPORTER.token : SERVICE_TOKEN;
        const headers = { authorization: `Bearer ${token}`, prefer: 'wait=30', 'content-length': String(text.length) };
        connection.send(requestText('POST', `${API}/incidents/report`, { headers, body: text }));
      }
      // Four of each token wait; the others were answered at once.
      await vi.waitFor(() => {
        const waiting = connections.filter((connection) => connection.rest().length === 0);
        expect(waiting).toHaveLength(8);
      }, 10_000);
      const began = performance.now();
      const [{ id }] = (await house.get(`${API}/incidents?limit=1`)).body;
      await house.post(`${API}/incidents/acknowledge`, { id }, OPERATOR.token).expect(200);
      expect(performance.now() - began).toBeLessThan(2_000);
      await obey(house);
      for (const connection of connections) expect((await connection.answer()).status).toBe(201);
    } finally {
      for (const connection of connections) connection[Symbol.dispose]();
    }
  });
});
