// Whatever an actuator does with its commands: an incident is called contained only while that is true, and an operator is told when it is not.

import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { quickPolicy } from '../support/actuators/policies.ts';
import { type Site, hasCurl, openSite, until } from '../support/actuators/site.ts';

const FREEZE = { class: 'policy_bypass_attempt' };
const holdOf = (incident: any) => incident.containment.actions[0].hold_id;
const commandOf = async (site: Site, hold: string) => (await site.get(`/api/v1/commands?hold=${hold}`)).body[0];
const stateIs = async (site: Site, id: string, state: string, status: string) =>
  until(`${id} is ${state} and ${status}`, async () => {
    const { state: is, containment } = await site.incident(id);
    return is === state && containment.status === status;
  });

async function expectSound(site: Site): Promise<void> {
  expect(site.unrecorded()).toEqual([]);
  expect(await site.verdict()).toBe('sound');
}

/** As somebody does who has the agent's key, and no recorder. */
async function commandBehindItsBack(site: Site, key: string): Promise<number> {
  const id = 'CMD-0123456789ab';
  const data = {
    command_id: id,
    op: 'apply',
    hold_id: 'HLD-0123456789ab',
    action: 'freeze_agent',
    target: { type: 'agent', id: '*' },
    seq: 1,
  };
  const body = JSON.stringify({ type: 'containment.command', data });
  const now = new Date();
  const signed = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(now.getTime() / 1000)) };
  const headers = { ...signed, 'webhook-signature': new Webhook(key).sign(id, now, body) };
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request(
    { socketPath: join(site.program.dir, 'agent.sock'), method: 'POST', path: '/api/v1/freeze', headers },
    (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    },
  );
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

describe.skipIf(!hasCurl)('these tests', () => {
  it('would see a command that is not on record, and one that is not signed', async () => {
    await using site = await openSite(quickPolicy());
    await site.report(FREEZE);
    expect(site.unrecorded()).toEqual([]);
    expect(await commandBehindItsBack(site, `whsec_${Buffer.alloc(32).toString('base64')}`)).toBe(401);
    expect(site.unrecorded()).toMatchObject([{ what: 'forged' }]);
    const key = readFileSync(join(site.program.dir, 'secrets/agent.key'), 'utf8').trim();
    expect(await commandBehindItsBack(site, key)).toBe(200);
    expect(site.unrecorded()).toMatchObject([{ what: 'forged' }, { what: 'got', id: 'CMD-0123456789ab', recorded: false }]);
  });
});

describe.skipIf(!hasCurl)('an actuator', () => {
  it('that fails twice is tried until it does it, with one id and rising attempts', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('fails', { times: 2 });
    const { body } = await site.report(FREEZE);
    expect(body).toMatchObject({ state: 'contained', containment: { actions: [{ attempts: 3 }] } });
    const got = site.agent.lines('got');
    expect(got.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
    await expectSound(site);
  });

  it('that says it has done it and has not is found out by verification, and not believed when it says so again', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('lies');
    const { body } = await site.report(FREEZE);
    await stateIs(site, body.id, 'open', 'drifted');
    await until('it is told again', () => site.agent.lines('answered').length > 1);
    await until('that it says so again is recorded', async () => (await commandOf(site, holdOf(body))).status === 'succeeded');
    expect(await site.incident(body.id)).toMatchObject({ state: 'open', containment: { status: 'drifted' } });
    expect(site.records('alert.raised')).toHaveLength(1);
    await expectSound(site);
  });

  it('that refuses has failed, which is alarmed; an operator has it tried again', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('refuses');
    const { body } = await site.report(FREEZE);
    expect(body).toMatchObject({ state: 'open', containment: { status: 'failed', actions: [{ error: expect.stringContaining('409') }] } });
    expect(body.containment_results).toMatchObject([{ action: 'freeze_agent', success: false }]);
    expect(site.records('alert.raised')).toHaveLength(1);
    const { id } = await commandOf(site, holdOf(body));
    expect((await site.post(`/api/v1/commands/${id}/retry`, {}, { as: 'reporter' })).status).toBe(403);
    site.agent.behave('does');
    const { status, body: again } = await site.post(`/api/v1/commands/${id}/retry`, { note: 'it is mended' });
    expect([status, again.id === id, again.reason]).toEqual([200, false, 'retried']);
    await stateIs(site, body.id, 'contained', 'verified');
    await expectSound(site);
  });

  it('that takes its time is accepted first, and its own word ends it; nobody else’s does, and it cannot take it back', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('accepts');
    const { body } = await site.report(FREEZE, 0);
    await stateIs(site, body.id, 'open', 'accepted');
    const { id } = await commandOf(site, holdOf(body));
    const say = async (status: string, as: 'agent' | 'firewall' | 'operator') =>
      site.post(`/api/v1/commands/${id}/result`, { status }, { as });
    expect((await say('enforced', 'firewall')).status).toBe(403);
    expect((await say('enforced', 'operator')).status).toBe(403);
    expect((await say('released', 'agent')).status).toBe(409);
    expect(await site.incident(body.id)).toMatchObject({ state: 'open', containment: { status: 'accepted' } });
    site.agent.behave('does');
    await stateIs(site, body.id, 'contained', 'verified');
    expect(await say('enforced', 'agent')).toMatchObject({ status: 200, headers: { 'idempotent-replayed': 'true' } });
    expect((await say('failed', 'agent')).status).toBe(409);
    expect(await site.incident(body.id)).toMatchObject({ state: 'contained' });
    await expectSound(site);
  });

  it('that hangs keeps nobody else waiting', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('hangs');
    const { body: frozen } = await site.report(FREEZE, 0);
    await until('it has it', () => site.agent.lines('got').length > 0);
    const { body: closed } = await site.report({ class: 'forbidden_airlock_request' });
    const { body: blocked } = await site.report({ class: 'tool_call_burst', evidence: { src_ip: '203.0.113.4' } });
    expect([closed.state, blocked.state]).toEqual(['contained', 'contained']);
    expect(await site.incident(frozen.id)).toMatchObject({ state: 'open', containment: { status: 'requested' } });
    site.agent.behave('does');
    await stateIs(site, frozen.id, 'contained', 'verified');
    await expectSound(site);
  });

  it('that fetches and has lost everything has drifted, and needs only what is desired to have it again', async () => {
    await using site = await openSite(quickPolicy());
    const { body } = await site.report({ class: 'tool_call_burst', evidence: { src_ip: '203.0.113.3' } });
    await stateIs(site, body.id, 'contained', 'verified');
    await site.firewall.kill();
    site.firewall.forget('rules');
    await site.firewall.start();
    await until('it has it again', () => site.reality().rules[0] === holdOf(body));
    await until('that is known', async () => site.records('hold.moved').some(({ data }) => data['hold'].status === 'drifted'));
    await stateIs(site, body.id, 'contained', 'verified');
    await expectSound(site);
  });

  it('that fetches and falls silent has drifted after two heartbeats, and stands when it is heard again', async () => {
    await using site = await openSite(quickPolicy({ heartbeat: '1500ms' }));
    const { body } = await site.report({ class: 'tool_call_burst', evidence: { src_ip: '203.0.113.2' } });
    await stateIs(site, body.id, 'contained', 'verified');
    await site.firewall.kill();
    await stateIs(site, body.id, 'open', 'drifted');
    await site.firewall.start();
    await stateIs(site, body.id, 'contained', 'verified');
    await expectSound(site);
  });
});
