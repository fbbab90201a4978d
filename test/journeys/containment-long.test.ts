// Actuators that are away for long, holds that end while nobody looks, and policies that let an actuator go: nobody has to see to it by hand.

import { describe, expect, it } from 'vitest';
import { quickPolicy } from '../support/actuators/policies.ts';
import { type Site, hasCurl, openSite, until } from '../support/actuators/site.ts';

const holdOf = (incident: any, action: string) => incident.containment.actions.find((each: any) => each.action === action)?.hold_id;
const statusIs = async (site: Site, hold: string, status: string, timeout_ms?: number) =>
  until(`${hold} is ${status}`, async () => (await site.hold(hold)).status === status, timeout_ms);
const alertsOf = (site: Site, hold: string) =>
  site
    .records('alert.raised')
    .filter(({ id }) => id === hold)
    .map(({ data }) => data['reason']);
const commandsOf = async (site: Site, hold: string) => (await site.get(`/api/v1/commands?hold=${hold}`)).body;

async function expectSound(site: Site): Promise<void> {
  expect(site.unrecorded()).toEqual([]);
  expect((await site.get('/api/v1/commands?status=pending,accepted')).body).toEqual([]);
  expect(await site.verdict()).toBe('sound');
}

const ALL = { class: 'integrity_violation', evidence: { src_ip: '203.0.113.5' } };

// They mostly wait, and so they wait together.
describe.skipIf(!hasCurl).concurrent('nobody has to see to it', () => {
  it('actuators that are down past the deadline are overdue and alarmed, and are told what is wanted when they are back', async () => {
    await using site = await openSite(quickPolicy({ deadline: '2s' }));
    await Promise.all(site.all.map(async (each) => each.kill()));
    const { body: incident } = await site.report(ALL, 20);
    // It is answered when all has come to its end, and that is bad.
    expect(incident).toMatchObject({ state: 'open', containment: { status: 'failed' } });
    const holds = incident.containment.actions.map(({ hold_id }: any) => hold_id);
    for (const hold of holds) {
      expect(await site.hold(hold)).toMatchObject({ status: 'failed', error: expect.stringContaining('overdue') });
      expect(alertsOf(site, hold)).toEqual([expect.stringContaining('containment failed: overdue')]);
      expect(await commandsOf(site, hold)).toMatchObject([{ status: 'failed', overdue: true }]);
    }
    expect((await site.get('/health')).body).toMatchObject({ checks: { outbox: expect.not.stringMatching(/^ok$/) } });

    await Promise.all(site.all.map(async (each) => each.start()));
    const before = site.records('command.requested').length;
    // Each is tried once a minute, and the firewall asks for itself.
    await until('all are in force', async () => (await site.incident(incident.id)).state === 'contained', 120_000);
    const { frozen, closed, rules } = site.reality();
    expect({ frozen, closed, rules }).toEqual({ frozen: true, closed: true, rules: [holdOf(incident, 'block_ip')] });
    await statusIs(site, holdOf(incident, 'freeze_agent'), 'verified');
    await statusIs(site, holdOf(incident, 'block_ip'), 'verified');
    // The very commands that were overdue did it: what came late moved the hold, and an end that they had they keep.
    expect(site.records('command.requested')).toHaveLength(before);
    expect(await commandsOf(site, holdOf(incident, 'disable_airlock'))).toMatchObject([{ status: 'failed', overdue: true }]);
    expect(site.records('command.moved').filter(({ data }) => data['late'] === true).length).toBeGreaterThanOrEqual(2);
    expect((await site.get('/health')).body.checks).toMatchObject({ outbox: 'ok' });
    await expectSound(site);
  }, 180_000);

  it('an actuator that was down while its hold was let go is not told to contain what nobody wants any more', async () => {
    await using site = await openSite(quickPolicy({ deadline: '2s' }));
    const { body: incident } = await site.report(ALL);
    const block = holdOf(incident, 'block_ip');
    await statusIs(site, block, 'verified');
    await statusIs(site, holdOf(incident, 'freeze_agent'), 'verified');
    await Promise.all(site.all.map(async (each) => each.kill()));
    const { body: gone } = await site.report({ ...ALL, class: 'tool_call_burst', evidence: { src_ip: '203.0.113.6' } }, 0);
    const other = holdOf(gone, 'block_ip');
    await site.post('/api/v1/incidents/resolve', { id: incident.id });
    await site.post('/api/v1/incidents/resolve', { id: gone.id });
    await until('the releases are overdue', () => alertsOf(site, block).some((reason) => String(reason).includes('released')));
    expect(await site.hold(block)).toMatchObject({ status: 'releasing' });
    // A restart takes it up again at once, instead of a minute later.
    await site.program.end('SIGTERM');
    await Promise.all(site.all.map(async (each) => each.start()));
    await site.program.start();
    for (const hold of [block, other, holdOf(incident, 'freeze_agent')]) await statusIs(site, hold, 'released');
    expect(site.reality()).toMatchObject({ frozen: false, rules: [] });
    expect(site.firewall.lines('got').filter(({ hold, op }) => hold === other && op === 'apply')).toEqual([]);
    await expectSound(site);
  }, 180_000);

  it('a hold that ends while the recorder is down is released when it starts, and not before', async () => {
    await using site = await openSite(quickPolicy({ ttl: '4s' }));
    const { body: incident } = await site.report({ ...ALL, class: 'tool_call_burst' });
    const hold = holdOf(incident, 'block_ip');
    const { expires_at } = await site.hold(hold);
    await site.program.end('SIGKILL');
    await until('its time is over', () => Date.now() > Date.parse(expires_at) + 100);
    expect(site.reality().rules).toEqual([hold]);
    await site.program.start();
    await statusIs(site, hold, 'expired');
    await until('the address is free', () => site.reality().rules.length === 0);
    expect(site.records('hold.releasing').find(({ id }) => id === hold)).toMatchObject({ data: { reason: 'expired', ending: 'expired' } });
    expect(await site.incident(incident.id)).toMatchObject({ state: 'open', containment: { status: 'expired' } });

    // And one that ends while it runs.
    const { body: next } = await site.report({ ...ALL, class: 'tool_call_burst' });
    expect(next.state).toBe('contained');
    const again = await site.hold(holdOf(next, 'block_ip'));
    await statusIs(site, again.id, 'expired');
    const ended = site.records('hold.releasing').find(({ id }) => id === again.id)?.ts ?? '';
    expect(ended >= again.expires_at, `${ended} is not before ${again.expires_at}`).toBe(true);
    await until('the address is free again', () => site.reality().rules.length === 0);
    await expectSound(site);
  });

  it('a reload that removes an actuator keeps its holds on record, and lets go of them by hand', async () => {
    let places = { agent: '', airlock: '' };
    const policy = quickPolicy();
    await using site = await openSite((at) => policy((places = at)));
    const { body: incident } = await site.report(ALL);
    const [freeze, block] = [holdOf(incident, 'freeze_agent'), holdOf(incident, 'block_ip')];
    await statusIs(site, freeze, 'verified');
    await statusIs(site, block, 'verified');
    site.writePolicy(
      policy(places)
        .replace(/ {2}agent:\n(?: {4}.*\n)+/, '')
        .replace(/ {2}firewall:.*\n/, ''),
    );
    expect((await site.post('/api/v1/reload', {})).body.status).toBe('reloaded');
    await statusIs(site, freeze, 'recorded');
    await statusIs(site, block, 'recorded');
    expect(await site.incident(incident.id)).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
    expect((await site.get(`/api/v1/actuators/firewall/commands`, 'firewall')).status).toBe(404);
    const resolved = await site.post('/api/v1/incidents/resolve', { id: incident.id });
    expect(resolved.body).toMatchObject({ state: 'resolved', containment: { status: 'released' } });
    // Nobody is there to undo it: it stays as it is, and the log says how it ended.
    expect(site.reality()).toMatchObject({ frozen: true, rules: [block] });
    for (const hold of [freeze, block]) expect(await site.hold(hold)).toMatchObject({ status: 'released' });
    await expectSound(site);
  });
});
