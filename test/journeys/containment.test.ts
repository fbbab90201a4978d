// From report to verified release: the built program under the policy that we ship, with an agent, an airlock and a firewall as processes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasCurl, openSite, until } from '../support/actuators/site.ts';
import { ROOT } from '../support/program.ts';

const SHIPPED = readFileSync(join(ROOT, 'policy/with-actuators.yaml'), 'utf8');
const ADDRESSES = /"unix:\/run\/secure-ai\/agent\/agent\.sock:|"http:\/\/127\.0\.0\.1:8490/g;

const openShipped = async (count: () => void = () => {}) =>
  openSite(({ agent, airlock }) =>
    SHIPPED.replaceAll(ADDRESSES, (found) => {
      count();
      return `"${found.startsWith('"unix') ? agent : airlock}`;
    }),
  );

it.skipIf(!hasCurl)(
  'a report that asked to wait is answered when all that is under way has come to an end, though something is left to its service',
  async () => {
    await using place = await openShipped();
    place.agent.behave('does', { slow: 700 });
    const { body } = await place.report({ class: 'attestation_failure' });
    expect(body).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
  },
);

it.skipIf(!hasCurl)(
  'a report is contained, verified, repaired when it drifts, attested, resolved and released, and all of it is on record',
  async () => {
    let replaced = 0;
    await using site = await openShipped(() => (replaced += 1));
    expect(replaced).toBe(2);
    const { agent, firewall } = site;
    const holdOf = (incident: any, action: string) => incident.containment.actions.find((each: any) => each.action === action)?.hold_id;

    // The agent and the airlock have done it, and the vault is left to its service.
    const { status, headers, body: reported } = await site.report({ class: 'attestation_failure' });
    expect(status).toBe(201);
    expect(headers['preference-applied']).toBe('wait=20');
    const first = await until('it is contained', async () => {
      const incident = await site.incident(reported.id);
      return incident.state === 'contained' && incident;
    });
    expect(first).toMatchObject({
      state: 'contained',
      containment: { status: 'recorded' },
      release: { missing: ['acknowledged', 'attested'] },
    });
    expect(first.containment.actions.map(({ action, status: is }: any) => [action, is])).toEqual([
      ['freeze_agent', expect.stringMatching(/^(enforced|verified)$/)],
      ['disable_airlock', 'enforced'],
      ['force_vault_relock', 'recorded'],
    ]);
    expect(site.reality()).toMatchObject({ frozen: true, closed: true });
    const freeze = holdOf(first, 'freeze_agent');
    await until('the freeze is verified', async () => (await site.hold(freeze)).status === 'verified');

    // A second incident shares the hold, and the agent hears nothing of it.
    const asked = agent.lines('got').length;
    const { body: second } = await site.report({ class: 'policy_bypass_attempt' });
    expect(second).toMatchObject({ state: 'contained', containment: { status: 'verified' } });
    expect(holdOf(second, 'freeze_agent')).toBe(freeze);
    expect(await site.hold(freeze)).toMatchObject({ owners: { count: 2, ids: [first.id, second.id] } });
    expect(agent.lines('got')).toHaveLength(asked);

    // An attestation of now; after a drift it is one of another containment.
    const attest = async (binding: string) => site.post(`/api/v1/incidents/${first.id}/attest`, { binding, evidence: { quote: 'pcr7' } });
    expect((await attest('0'.repeat(64))).status).toBe(409);
    expect((await attest((await site.incident(first.id)).release.binding)).body.release.missing).toEqual(['acknowledged']);

    // The agent loses its state, and fails for a while: nobody is called contained any more, until it is mended.
    agent.behave('fails');
    agent.signal('SIGUSR2');
    await until('the agent is free', () => !site.reality().frozen);

    // Meanwhile the firewall, which is not kept waiting: an address is blocked for an hour.
    const { body: third } = await site.report({ class: 'prompt_injection', severity: 'critical', evidence: { src_ip: '203.0.113.9' } }, 0);
    const block = holdOf(third, 'block_ip');
    await until('the address is blocked', async () => (await site.hold(block)).status === 'verified');
    expect(readFileSync(join(firewall.dir, 'rules', block), 'utf8')).toBe('203.0.113.9\n');
    const blocked = await site.hold(block);
    expect(Date.parse(blocked.expires_at) - Date.parse(blocked.created_at)).toBe(3_600_000);
    const extended = await site.post(`/api/v1/holds/${block}/extend`, { ttl: '2h' });
    expect(Date.parse(extended.body.expires_at)).toBeGreaterThan(Date.parse(blocked.expires_at));

    // One that is less certain waits for an operator, who approves exactly what was read; nobody else does.
    const unsure = { class: 'prompt_injection', severity: 'critical', confidence: 0.5, evidence: { src_ip: '203.0.113.10' } };
    const { body: fourth } = await site.report(unsure, 0);
    const waiting = holdOf(fourth, 'block_ip');
    expect(await site.hold(waiting)).toMatchObject({ status: 'awaiting_approval', expires_at: null });
    const [approval] = (await site.get('/api/v1/approvals?status=pending')).body;
    expect(approval).toMatchObject({ incident_id: fourth.id, requested_by: 'reporter', proposals: [{ hold_id: waiting }] });
    const decide = async (as: 'operator' | 'reporter', digest: string) =>
      site.post(`/api/v1/approvals/${approval.id}/decision`, { decision: 'approve' }, { as, headers: { 'if-match': `"${digest}"` } });
    expect((await decide('reporter', approval.digest)).status).toBe(403);
    expect((await decide('operator', '0'.repeat(64))).status).toBe(412);
    expect((await decide('operator', approval.digest)).body).toMatchObject({ status: 'approved', decided_by: 'operator:operator' });
    await until('the approved block is verified', async () => (await site.hold(waiting)).status === 'verified');
    expect((await site.get(`/api/v1/approvals/${approval.id}`)).body.outcome).toMatchObject([{ hold_id: waiting, status: 'verified' }]);
    // The office is protected: it always waits.
    const { body: office } = await site.report({ ...unsure, confidence: 1, evidence: { src_ip: '10.1.2.3' } }, 0);
    expect(await site.hold(holdOf(office, 'block_ip'))).toMatchObject({ status: 'awaiting_approval' });
    const { body: own } = await site.report({ ...unsure, confidence: 1, evidence: { src_ip: '127.0.0.1' } }, 0);
    expect(own.containment.actions.at(-1)).toMatchObject({ action: 'block_ip', status: 'failed', hold_id: null });

    const drifted = await until(
      'the drift is seen',
      async () => {
        const incident = await site.incident(first.id);
        return incident.containment.status === 'drifted' && incident;
      },
      60_000,
    );
    expect(drifted.state).toBe('open');
    expect(await site.incident(second.id)).toMatchObject({ state: 'open', containment: { status: 'drifted' } });
    expect(site.records('alert.raised').filter(({ id }) => id === freeze)).toMatchObject([
      { data: { reason: expect.stringContaining('drifted') } },
    ]);
    agent.behave('does');
    await until('both are contained again', async () => {
      const both = await Promise.all([first, second].map(async ({ id }) => site.incident(id)));
      return both.every(({ state }) => state === 'contained');
    });
    expect(site.reality().frozen).toBe(true);

    // The release: only when it is acknowledged, and attested as it is now.
    const resolve = async (id: string) =>
      site.post('/api/v1/incidents/resolve', { id, resolution: 'true_positive' }, { headers: { prefer: 'wait=20' } });
    expect(await resolve(first.id)).toMatchObject({ status: 409, body: { missing: ['acknowledged', 'attested'] } });
    expect((await site.post('/api/v1/incidents/acknowledge', { id: first.id })).body.state).toBe('acknowledged');
    expect(await resolve(first.id)).toMatchObject({ status: 409, body: { missing: ['attested'] } });
    expect((await attest(drifted.release.binding)).status).toBe(409);
    expect((await attest((await site.incident(first.id)).release.binding)).body.release.missing).toEqual([]);
    expect((await resolve(first.id)).body).toMatchObject({ state: 'resolved', containment: { status: 'released' } });
    expect(await site.hold(holdOf(first, 'disable_airlock'))).toMatchObject({ status: 'released' });
    expect(site.records('hold.released').find(({ id }) => id === holdOf(first, 'disable_airlock'))?.data['by_hand']).toBe(true);
    // The others still want the agent frozen.
    expect(await site.hold(freeze)).toMatchObject({ status: 'verified', owners: { count: 5 } });
    expect(site.reality().frozen).toBe(true);
    for (const { id } of [second, third, fourth, office]) expect((await resolve(id)).body.state).toBe('resolved');
    expect(site.reality().frozen).toBe(true);
    agent.behave('acts');
    expect((await site.post('/api/v1/incidents/resolve', { id: own.id })).body.containment.status).toBe('releasing');
    await until('the agent has let go', () => !site.reality().frozen);
    expect((await site.hold(freeze)).status).toBe('releasing');
    agent.behave('does');
    await until('the release is told', async () => (await site.hold(freeze)).status === 'released');
    await until('the firewall has let go', () => site.reality().rules.length === 0);
    await until('nothing is held', async () => (await site.get('/api/v1/holds')).body.length === 0);

    // Who comes again is blocked for longer.
    const { body: again } = await site.report({ class: 'prompt_injection', severity: 'critical', evidence: { src_ip: '203.0.113.9' } });
    expect(again.state).toBe('contained');
    const longer = await site.hold(holdOf(again, 'block_ip'));
    expect(Date.parse(longer.expires_at) - Date.parse(longer.created_at)).toBe(4 * 3_600_000);

    expect((await site.get('/api/v1/commands?status=pending,accepted')).body).toEqual([]);
    expect(site.unrecorded()).toEqual([]);
    expect(await site.verdict()).toBe('sound');
  },
  150_000,
);
