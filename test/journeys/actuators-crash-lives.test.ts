// kill -9 while more is under way than one command: verification, drift, approvals, many incidents of one hold, a reload.

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { quickPolicy } from '../support/actuators/policies.ts';
import { type Site, hasCurl, openSite, until } from '../support/actuators/site.ts';
import { keptIn } from '../support/truth.ts';

const holdOf = (incident: any, action: string) => incident.containment.actions.find((each: any) => each.action === action)?.hold_id;
const statusIs = async (site: Site, hold: string, status: string) =>
  until(`hold ${hold} is ${status}`, async () => (await site.hold(hold)).status === status);
const requestsOf = (site: Site, hold: string) =>
  site
    .records('command.requested')
    .filter(({ id }) => id === hold)
    .map(({ data }) => data['reason']);

async function expectSound(site: Site): Promise<void> {
  expect(site.unrecorded()).toEqual([]);
  expect((await site.get('/api/v1/commands?status=pending,accepted')).body).toEqual([]);
  expect(await site.verdict()).toBe('sound');
}

async function freeze(site: Site): Promise<{ id: string; hold: string }> {
  const { body } = await site.report({ class: 'policy_bypass_attempt' });
  expect(body.state).toBe('contained');
  return { id: body.id, hold: holdOf(body, 'freeze_agent') };
}

const MANY = 700;

/** Incidents that are contained by the store, while the recorder does not run. */
function containedIn(site: Site): number {
  const db = new Database(keptIn(site.program).database, { readonly: true });
  try {
    return Number(db.prepare("SELECT count(*) FROM incidents WHERE state = 'contained'").pluck().get());
  } finally {
    db.close();
  }
}

/** How many had learnt it when it was killed. */
async function crashWhileLearning(): Promise<number> {
  await using site = await openSite(quickPolicy());
  site.agent.behave('acts');
  const lines = Array.from({ length: MANY }, (_, n) => ({ class: 'policy_bypass_attempt', source: 'watcher', description: `no ${n}` }));
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  expect((await site.post('/api/v1/incidents/reports', body, { as: 'reporter' })).status).toBe(200);
  await until('the agent has done it', () => site.agent.lines('did').length === 1);
  site.agent.behave('does');
  await until('the first have learnt it', () => site.records('incident.contained').length > 0);
  await site.program.end('SIGKILL');
  const learnt = containedIn(site);
  await site.program.start();
  await until('all have learnt it', async () => (await site.get('/api/v1/stats')).body.contained_count === MANY);
  expect(site.records('incident.contained')).toHaveLength(MANY);
  expect(site.agent.lines('did')).toHaveLength(1);
  await expectSound(site);
  return learnt;
}

describe.skipIf(!hasCurl)('the recorder is killed', () => {
  it('while it verifies: what was enforced is verified after the next start', async () => {
    await using site = await openSite(quickPolicy());
    site.agent.behave('does', { state: 'hangs' });
    const { hold } = await freeze(site);
    await until('it is asked for its state', () => site.agent.lines('asked').length > 0);
    await site.program.end('SIGKILL');
    site.agent.behave('does');
    await site.program.start();
    await statusIs(site, hold, 'verified');
    expect(requestsOf(site, hold)).toEqual(['ordered']);
    await expectSound(site);
  });

  it('while what has drifted is commanded again: it is mended, and never called contained meanwhile', async () => {
    await using site = await openSite(quickPolicy());
    const { id, hold } = await freeze(site);
    await statusIs(site, hold, 'verified');
    site.agent.behave('hangs');
    site.agent.signal('SIGUSR2');
    await statusIs(site, hold, 'drifted');
    await until('it is told again', () => site.agent.lines('got').length > 1);
    await site.program.end('SIGKILL');
    await site.program.start();
    expect(await site.incident(id)).toMatchObject({ state: 'open', containment: { status: 'drifted' } });
    site.agent.behave('does');
    await statusIs(site, hold, 'verified');
    expect(await site.incident(id)).toMatchObject({ state: 'contained' });
    expect(site.reality().frozen).toBe(true);
    expect(requestsOf(site, hold)).toEqual(['ordered', 'drifted']);
    await expectSound(site);
  });

  it.each(['approve', 'reject'])('while an approval waits, and right after its decision to %s', async (decision) => {
    await using site = await openSite(quickPolicy());
    const report = { class: 'prompt_injection', confidence: 0.5, evidence: { src_ip: '203.0.113.8' } };
    const { body: incident } = await site.report(report, 0);
    const hold = holdOf(incident, 'block_ip');
    await site.program.end('SIGKILL');
    await site.program.start();
    const { body: waiting } = await site.get('/api/v1/approvals?status=pending');
    expect(waiting).toMatchObject([{ incident_id: incident.id, proposals: [{ hold_id: hold }] }]);
    expect(await site.hold(hold)).toMatchObject({ status: 'awaiting_approval' });
    expect(site.firewall.lines('got')).toEqual([]);
    const path = `/api/v1/approvals/${waiting[0].id}/decision`;
    const decided = await site.post(path, { decision }, { headers: { 'if-match': `"${waiting[0].digest}"` } });
    expect(decided.status).toBe(200);
    await site.program.end('SIGKILL');
    await site.program.start();
    const approved = decision === 'approve';
    if (approved) await statusIs(site, hold, 'verified');
    expect((await site.get(`/api/v1/approvals/${waiting[0].id}`)).body).toMatchObject({
      ...{ status: approved ? 'approved' : 'rejected', outcome: [{ hold_id: hold, status: approved ? 'verified' : 'released' }] },
    });
    expect(site.reality().rules).toEqual(approved ? [hold] : []);
    expect(await site.incident(incident.id)).toMatchObject({
      ...{ state: approved ? 'contained' : 'open', containment: { status: approved ? 'verified' : 'failed' } },
    });
    await expectSound(site);
  });

  it('while hundreds of incidents learn that their one hold is enforced: each learns it', async () => {
    // On a machine that sleeps at the wrong moment all have learnt it when the kill comes: then that was no test.
    let learnt = await crashWhileLearning();
    for (let more = 2; learnt === MANY && more > 0; more -= 1) learnt = await crashWhileLearning();
    expect(learnt).toBeGreaterThan(0);
    expect(learnt).toBeLessThan(MANY);
  }, 60_000);

  it('during a reload that removes an actuator: its holds are on record only, nobody tells it anything more, and an operator may apply them again', async () => {
    let places = { agent: '', airlock: '' };
    const policy = quickPolicy();
    await using site = await openSite((at) => policy((places = at)));
    const { id, hold } = await freeze(site);
    await statusIs(site, hold, 'verified');
    site.agent.behave('hangs');
    site.agent.signal('SIGUSR2');
    await until('it is told again', () => site.agent.lines('got').length > 1);
    const loaded = site.records('policy.loaded').length;
    site.writePolicy(policy(places).replace(/ {2}agent:\n(?: {4}.*\n)+/, ''));
    process.kill(site.program.pid, 'SIGHUP');
    await until('the policy is in force', () => site.records('policy.loaded').length > loaded);
    await site.program.end('SIGKILL');
    await site.program.start();
    await statusIs(site, hold, 'recorded');
    expect(await site.hold(hold)).toMatchObject({ actuator: null, error: expect.stringContaining('agent') });
    expect(await site.incident(id)).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });
    const told = site.agent.lines('got').length;
    site.agent.behave('does');

    site.writePolicy(policy(places));
    expect((await site.post('/api/v1/reload', {})).status).toBe(200);
    expect(await site.hold(hold)).toMatchObject({ status: 'recorded' });
    expect(site.agent.lines('got')).toHaveLength(told);
    expect((await site.post(`/api/v1/holds/${hold}/apply`, {})).body.status).toBe('requested');
    await statusIs(site, hold, 'verified');
    expect(site.reality().frozen).toBe(true);
    await expectSound(site);
  });
});
