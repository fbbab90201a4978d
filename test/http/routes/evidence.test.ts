// The evidence of an incident: one file that holds all that proves it, true as of a signed checkpoint, whole or visibly not.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmdirSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { newKeyPem, readKey } from '../../../src/audit/key.ts';
import { cosignatureOf, isSignedBy, parseVerifierKey } from '../../../src/audit/note.ts';
import { evidenceRoutes } from '../../../src/http/routes/evidence.ts';
import { createLog } from '../../../src/log.ts';
import { checkpointOver, sizeOf } from '../../support/checkpoints.ts';
import { openFolder } from '../../support/folder.ts';
import { SERVICE_TOKEN, type TestHouse, aReport, createClock, openTestHouse } from '../../support/house.ts';
import type { Parsed } from '../../support/raw.ts';
import { ROLE_TOKENS, SECURITY_HEADERS, faultOfProblem } from '../../support/routes.ts';
import { pathOf, rootOf } from '../../support/tree.ts';
import { openTestWitness } from '../../support/witness.ts';

const API = '/api/v1/incidents';
const POLICY = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent, log_alert], dedupe: {by: [source], window: 1h}}
`;
const urlOf = (id: string) => `${API}/${id}/evidence`;

/** An incident of which something of everything is told. */
async function aLife(house: TestHouse): Promise<string> {
  const { body } = await house.post(`${API}/report`, aReport({ description: 'é \u2028 "quoted"' })).expect(201);
  await house.post(`${API}/report`, aReport({ evidence: { again: true } })).expect(200);
  await house.post(`${API}/acknowledge`, { id: body.id, note: 'on it' }).expect(200);
  await house.post(`${API}/${body.id}/notes`, { note: 'seen' }).expect(200);
  await house.post(`${API}/resolve`, { id: body.id, resolution: 'expected' }).expect(200);
  return body.id as string;
}

/** What an auditor would find who trusts nothing but the key and the leaves of the whole log. */
function expectProven(bundle: Parsed, leaves: readonly string[], key: string): void {
  expect(isSignedBy(bundle.checkpoint, parseVerifierKey(key))).toBe(true);
  const size = sizeOf(bundle.checkpoint);
  const tree = leaves.slice(0, size);
  expect(bundle.checkpoint.split('\n')[2]).toBe(Buffer.from(rootOf(tree), 'hex').toString('base64'));
  for (const { line, proof } of bundle.records) {
    const { seq } = JSON.parse(line);
    const leaf = createHash('sha256')
      .update(`\0${line.slice(0, -75)}`)
      .digest('hex');
    expect([leaf, proof]).toEqual([tree[seq - 1], pathOf(seq - 1, tree)]);
  }
}

describe('a bundle', () => {
  it('holds the records of the timeline byte for byte, each proven in the checkpoint, what they tell, and the policy that decided', async () => {
    await using house = await openTestHouse({ policy: POLICY });
    const id = await aLife(house);
    await house.post(`${API}/report`, aReport({ class: 'tool_call_burst' })).expect(201);
    const answer = await house.get(urlOf(id)).expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'content-disposition': `attachment; filename="${id}.evidence.json"`,
      ...SECURITY_HEADERS,
    });
    const bundle = answer.body;
    expect(Object.keys(bundle)).toEqual(['v', 'log', 'checkpoint', 'records', 'policies', 'incident']);
    const records = house.records();
    const key = String(records[0]?.data['public_key']);
    expect([bundle.v, bundle.log]).toEqual([1, { origin: 'test/incident-recorder', verifier_key: key }]);
    expect(`[${bundle.records.map(({ line }: Parsed) => line).join(',')}]`).toBe((await house.get(`${API}/${id}/timeline`).buffer()).text);
    expect(bundle.records.map(({ line }: Parsed) => JSON.parse(line).type)).toEqual([
      ...['incident.reported', 'hold.recorded', 'incident.contained', 'alert.raised', 'incident.joined'],
      ...['incident.acknowledged', 'incident.noted', 'incident.resolved', 'hold.released'],
    ]);
    expectProven(
      bundle,
      records.map(({ hash }) => hash),
      key,
    );
    expect(bundle.incident).toEqual((await house.get(`${API}/${id}`)).body);
    expect(bundle.policies).toEqual({ [createHash('sha256').update(POLICY).digest('hex')]: POLICY });
  });

  it('of more records than a page is whole, and has each policy once', async () => {
    await using house = await openTestHouse({ policy: POLICY });
    const line = JSON.stringify(aReport({ evidence: { text: 'x'.repeat(1500) } }));
    const batch = async () =>
      house.http
        .post(`${API}/reports`)
        .set('authorization', `Bearer ${SERVICE_TOKEN}`)
        .type('application/x-ndjson')
        .send(`${line}\n`.repeat(150))
        .buffer()
        .expect(200);
    const { text } = await batch();
    await house.post('/api/v1/reload', {}).expect(200);
    await batch();
    const { id } = JSON.parse(text.split('\n')[0] ?? '');
    const { body } = await house.get(urlOf(id)).expect(200);
    expect(body.incident.occurrences).toBe(300);
    expect(body.records.filter(({ line: each }: Parsed) => each.includes('"incident.joined"'))).toHaveLength(299);
    expect(Object.keys(body.policies)).toHaveLength(1);
    const records = house.records();
    expectProven(
      body,
      records.map(({ hash }) => hash),
      String(records[0]?.data['public_key']),
    );
  });

  it('has the cosigned checkpoint where a witness has given one', async () => {
    using folder = openFolder();
    const pem = newKeyPem();
    await using witness = await openTestWitness({ logs: [readKey('test/incident-recorder', pem).verifierKey] });
    const env = { CHECKPOINT_KEY_PATH: folder.file('checkpoint.key', pem), WITNESS_URL: witness.url, WITNESS_KEY: witness.verifierKey };
    await using house = await openTestHouse({ env });
    const { body } = await house.post(`${API}/report`, aReport()).expect(201);
    await checkpointOver(house, body.audit.seq, '?cosigned');
    await vi.waitFor(async () => {
      const { checkpoint } = (await house.get(urlOf(body.id)).expect(200)).body;
      expect(cosignatureOf(checkpoint, parseVerifierKey(witness.verifierKey))).not.toBeNull();
    }, 10_000);
  });

  it('is true as of its checkpoint, where no newer one comes in time', async () => {
    const clock = createClock();
    await using house = await openTestHouse({ policy: POLICY, monotonic: clock.monotonic, env: { CHECKPOINT_INTERVAL: '1m' } });
    const { body: made } = await house.post(`${API}/report`, aReport()).expect(201);
    clock.advance(60_000);
    await checkpointOver(house, made.audit.seq);
    const { body: before } = await house.get(`${API}/${made.id}`).expect(200);
    await house.post(`${API}/acknowledge`, { id: made.id }).expect(200);
    const { body } = await house.get(urlOf(made.id)).expect(200);
    expect(body.incident).toEqual(before);
    expect(body.records.map(({ line }: Parsed) => JSON.parse(line).type)).not.toContain('incident.acknowledged');
    clock.advance(60_000);
    await checkpointOver(house, sizeOf(body.checkpoint) + 1);
    expect((await house.get(urlOf(made.id)).expect(200)).body.incident.state).toBe('acknowledged');
  });

  it('waits for the checkpoint that covers the incident, and is refused with 409 when none comes', async () => {
    using folder = openFolder();
    const path = join(folder.path, 'audit.jsonl');
    // While this is in the way, none can be published.
    mkdirSync(`${path}.checkpoint.new`);
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: path } });
    const { body } = await house.post(`${API}/report`, aReport()).expect(201);
    const refused = await house.get(urlOf(body.id)).expect(409);
    expect(refused.body).toMatchObject({ code: 'state_conflict', detail: 'no checkpoint covers the incident yet; try again' });
    expect(refused.headers['retry-after']).toBe('5');
    expect(faultOfProblem(refused)).toBeNull();
    const waiting = house.get(urlOf(body.id)).then(({ status }) => status);
    await setTimeout(300);
    rmdirSync(`${path}.checkpoint.new`);
    expect(await waiting).toBe(200);
  });

  it('that cannot be made to its end cuts the connection, and that is logged', async () => {
    await using house = await openTestHouse({ policy: POLICY });
    const id = await aLife(house);
    await house.get(urlOf(id)).expect(200);
    const db = new Database(join(house.dir, 'incidents.db'));
    // Its hash stays, and with it the tree: what is wrong shows only when its turn comes.
    db.prepare(`UPDATE records SET line = '{"broken' || substr(line, -75) WHERE line LIKE '%"type":"incident.noted"%'`).run();
    db.close();
    const answer = await fetch(house.url + urlOf(id), { headers: { authorization: `Bearer ${SERVICE_TOKEN}` } });
    await expect(answer.text()).rejects.toThrow('terminated');
    await vi.waitFor(() =>
      expect(house.logged).toContainEqual(
        expect.objectContaining({ level: 'error', message: 'a bundle of evidence was cut short', incident: id }),
      ),
    );
    await house.get('/livez').expect(200);
  });

  it('is not made of records that are not the ones of the checkpoint', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post(`${API}/report`, aReport()).expect(201);
    await house.get(urlOf(body.id)).expect(200);
    const db = new Database(join(house.dir, 'incidents.db'));
    db.prepare(`UPDATE records SET line = substr(line, 1, length(line) - 66) || ? || '"}' WHERE seq = 2`).run('0'.repeat(64));
    db.close();
    expect((await house.get(urlOf(body.id)).expect(500)).body.code).toBe('internal');
  });

  it('to HEAD is its headers alone', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post(`${API}/report`, aReport()).expect(201);
    const answer = await house.http.head(urlOf(body.id)).set('authorization', `Bearer ${SERVICE_TOKEN}`).expect(200);
    expect(answer.headers['content-disposition']).toContain('attachment');
    expect(answer.text).toBeFalsy();
    expect(house.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('who may have one', () => {
  it('is who may read the timeline; of an incident that a token may not see, it is not told that it is there', async () => {
    await using house = await openTestHouse({ tokens: ROLE_TOKENS });
    const { reporter, reader, operator, admin } = ROLE_TOKENS;
    const own = (await house.post(`${API}/report`, aReport(), reporter.token).expect(201)).body;
    const other = (await house.post(`${API}/report`, aReport()).expect(201)).body;
    await house.http.get(urlOf(own.id)).expect(401);
    for (const { token } of [reader, operator, admin]) await house.get(urlOf(other.id), token).expect(200);
    await house.get(urlOf(own.id), reporter.token).expect(200);
    const hidden = await house.get(urlOf(other.id), reporter.token).expect(404);
    const missing = await house.get(urlOf('INC-20260313-000000000000'), reporter.token).expect(404);
    expect({ ...hidden.body, request_id: '' }).toEqual({ ...missing.body, request_id: '' });
    await house.get(`${urlOf(own.id)}?size=1`, reporter.token).expect(400);
  });
});

describe('a slow reader', () => {
  const PIECE = 'x'.repeat(64 * 1024);

  /** The route on a server of its own, with a bundle that has no end. */
  async function endless() {
    const made = { pieces: 0, left: 0 };
    function* pieces() {
      try {
        for (;;) {
          made.pieces += 1;
          yield PIECE;
        }
      } finally {
        made.left += 1;
      }
    }
    const byId = () => ({ incident: { reported_by: 'x' } as never, version: 1 });
    const logged: string[] = [];
    const log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(line) });
    const [route] = evidenceRoutes({ store: { incidents: { byId } as never }, evidence: async () => pieces(), log });
    const outcomes: unknown[] = [];
    const server = createServer((incoming, outgoing) => {
      const token = { name: incoming.headers['x-name'] ?? 'a', role: 'reader' } as never;
      const call = { incoming, outgoing, url: '/', path: '/', param: () => 'INC-20260313-000000000000', body: Buffer.alloc(0), token };
      Promise.resolve(call)
        .then((each) => route?.handle(each))
        .then(
          () => outcomes.push('sent'),
          (error: unknown) => {
            outcomes.push((error as { code: string }).code);
            outgoing.destroy();
          },
        );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    /** One who asks and reads nothing. */
    const ask = (name = 'a') => {
      const request = get({ port, host: '127.0.0.1', headers: { 'x-name': name }, agent: false });
      request.on('response', (response) => response.pause().on('error', () => {}));
      request.on('error', () => {});
      return request;
    };
    return { made, outcomes, logged, ask, [Symbol.dispose]: () => void server.close() };
  }

  it('is sent no more than there is room for, and what is left is not made; when it leaves, nothing is left over', async () => {
    using bench = await endless();
    const request = bench.ask();
    await vi.waitFor(() => expect(bench.made.pieces).toBeGreaterThan(3));
    await setTimeout(500);
    const { pieces } = bench.made;
    await setTimeout(300);
    expect(bench.made.pieces).toBe(pieces);
    expect(pieces * PIECE.length).toBeLessThan(16 * 1024 * 1024);
    request.destroy();
    await vi.waitFor(() => expect(bench.outcomes).toEqual(['sent']));
    expect(bench.made.left).toBe(1);
    // Who leaves is no fault of ours.
    expect(bench.logged).toEqual([]);
  });

  it('has two bundles at a time; a third is 429 until one of them ends, and others are not held up', async () => {
    using bench = await endless();
    const requests = [bench.ask(), bench.ask()];
    await vi.waitFor(() => expect(bench.made.pieces).toBeGreaterThan(3));
    requests.push(bench.ask());
    await vi.waitFor(() => expect(bench.outcomes).toEqual(['rate_limited']));
    requests.push(bench.ask('b'));
    requests[0]?.destroy();
    await vi.waitFor(() => expect(bench.outcomes).toEqual(['rate_limited', 'sent']));
    requests.push(bench.ask());
    await setTimeout(200);
    expect(bench.outcomes).toEqual(['rate_limited', 'sent']);
    requests.forEach((request) => request.destroy());
    await vi.waitFor(() => expect(bench.outcomes).toHaveLength(5));
  });
});
