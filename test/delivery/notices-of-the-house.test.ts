// Webhooks of a whole recorder: what it does to incidents is told, over restarts and reloads too.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse } from '../support/house.ts';
import { type TestWebhook, openTestWebhook } from '../support/webhooks.ts';

const policyOf = (webhooks: string) => `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent], default_severity: high, escalate: {count: 2, window: 5m, to: critical}}
alerting: {webhooks: [${webhooks}]}
`;

async function until(holds: () => boolean): Promise<void> {
  for (const latest = Date.now() + 10_000; !holds();) {
    if (Date.now() > latest) throw new Error(`it never came to this: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 200));
const told = ({ got }: TestWebhook) => got.map(({ json }) => `${json.event} ${json.incident.id} ${json.incident.severity}`);
const report = async (house: TestHouse, more: Record<string, unknown> = {}): Promise<string> =>
  String((await house.post('/api/v1/incidents/report', aReport(more)).expect(201)).body.id);

describe('a recorder with a webhook', () => {
  it('tells it of containment, escalation and recovery, each once and in order, whatever is restarted or read again', async () => {
    await using hook = await openTestWebhook();
    await using house = await openTestHouse({ policy: policyOf(`{url: "${hook.url}"}`) });
    const first = await report(house, { dedup_key: 'a' });
    await until(() => hook.got.length === 1);
    // What is taken and not yet known to be is told again after a restart.
    await soon();
    await house.restart();
    const second = await report(house, { dedup_key: 'b' });
    await until(() => hook.got.length === 3);
    await house.reload();
    await house.post('/api/v1/incidents/resolve', { id: first }).expect(200);
    await until(() => hook.got.length === 4);
    await house.post('/api/v1/incidents/resolve', { id: second, resolution: 'true_positive' }).expect(200);
    await until(() => hook.got.length === 6);
    await soon();
    await house.restart();
    await soon();
    expect(told(hook).toSorted()).toEqual(
      [
        `containment ${first} high`,
        `containment ${second} critical`,
        `escalation ${second} critical`,
        `recovery ${first} high`,
        `recovery ${second} critical`,
        `recovery ${second} critical`,
      ].toSorted(),
    );
    const seqs = hook.got.map(({ headers }) => Number(String(headers['webhook-id']).replace('NTC-', '')));
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const types = house.records().flatMap(({ seq, type }) => (seqs.includes(seq) ? [type] : []));
    expect(types.toSorted()).toEqual([
      ...['hold.released', 'incident.contained', 'incident.contained', 'incident.escalated', 'incident.resolved', 'incident.resolved'],
    ]);
  });

  it('tells what happened while the webhook was down, over a restart', async () => {
    await using hook = await openTestWebhook();
    await using house = await openTestHouse({ policy: policyOf(`{url: "${hook.url}", format: slack}`) });
    hook.manner = { status: 503 };
    const id = await report(house);
    await until(() => hook.got.length === 1);
    await house.close();
    hook.manner = 'takes';
    await house.restart();
    await until(() => hook.got.length === 2);
    expect(hook.got.map(({ headers }) => headers['webhook-id'])).toEqual([0, 1].map(() => hook.got[0]?.headers['webhook-id']));
    expect(hook.got[1]?.json.text).toContain(id);
    expect(hook.got[1]?.json.text).toContain('*Containment*');
  });

  it('takes up a webhook that a reload names, from then on, and lets go of one that it does not', async () => {
    await using old = await openTestWebhook();
    await using fresh = await openTestWebhook();
    await using house = await openTestHouse({ policy: policyOf(`{url: "${old.url}"}`) });
    await report(house, { dedup_key: 'a' });
    await until(() => old.got.length === 1);
    writeFileSync(join(house.dir, 'policy.yaml'), policyOf(`{url: "${fresh.url}", events: [containment]}`));
    await house.reload();
    const id = await report(house, { dedup_key: 'b' });
    await until(() => fresh.got.length === 1);
    expect(told(fresh)).toEqual([`containment ${id} critical`]);
    expect(old.got).toHaveLength(1);
  });
});
