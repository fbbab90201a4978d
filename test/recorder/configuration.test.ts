// A reload: policy and tokens are checked first, and all swap or none.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse, tokensFile, writeSecret } from '../support/house.ts';

const CONTAINS = 'version: 1\nrules:\n  prompt_injection: {auto_contain: true, actions: [freeze_agent]}\n';
const RECORDS = 'version: 1\nrules:\n  prompt_injection: {auto_contain: false}\n';
const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)];
const operator = (token: string) => ({ alice: { token, role: 'operator' } });

const write = (house: TestHouse, policy: string) => writeFileSync(join(house.dir, 'policy.yaml'), policy);
const state = async (house: TestHouse) => (await house.post('/api/v1/incidents/report', aReport()).expect(201)).body.state;

describe('a reload', () => {
  it('puts policy and tokens in force together, and records who asked and what is in force', async () => {
    await using house = await openTestHouse({ policy: RECORDS, tokens: operator(OLD) });
    expect(await state(house)).toBe('open');
    write(house, CONTAINS);
    writeSecret(join(house.dir, 'tokens.yaml'), tokensFile(operator(NEW)));
    const { body } = await house.post('/api/v1/reload', {}, OLD).expect(200);
    expect(await state(house)).toBe('contained');
    await house.post('/api/v1/reload', {}, OLD).expect(401);
    await house.post('/api/v1/reload', {}, NEW).expect(200);

    const loaded = house.records().filter(({ type }) => type === 'policy.loaded');
    expect(loaded.map(({ actor }) => actor)).toEqual(['recorder', 'operator:alice', 'operator:alice']);
    expect(loaded[1]).toMatchObject({ seq: body.audit.seq, hash: body.audit.hash, data: { sha256: body.policy_sha256, text: CONTAINS } });
    expect(loaded[2]?.data).not.toHaveProperty('text');
    expect(house.records().filter(({ type }) => type === 'tokens.loaded')).toHaveLength(3);
  });

  it.each<[string, (house: TestHouse) => void]>([
    ['the policy is gone', (house) => rmSync(join(house.dir, 'policy.yaml'))],
    ['the policy is empty', (house) => write(house, '')],
    ['the policy has a mistake', (house) => write(house, 'version: 1\nrules:\n  prompt_injektion: {}\n')],
    ['the tokens are gone', (house) => rmSync(join(house.dir, 'tokens.yaml'))],
    ['the tokens have a mistake', (house) => writeSecret(join(house.dir, 'tokens.yaml'), 'version: 1\ntokens: []\n')],
    ['the service token is gone', (house) => rmSync(join(house.dir, 'service-token'))],
  ])('changes nothing at all when %s, though the rest is good', async (_, spoil) => {
    await using house = await openTestHouse({ policy: RECORDS, tokens: operator(OLD) });
    write(house, CONTAINS);
    writeSecret(join(house.dir, 'tokens.yaml'), tokensFile(operator(NEW)));
    spoil(house);
    const records = house.records().length;
    const { body } = await house.post('/api/v1/reload', {}, OLD).expect(400);
    expect(body.code).toBe('invalid_configuration');
    expect(house.records()).toHaveLength(records);
    expect(await state(house)).toBe('open');
    await house.post('/api/v1/incidents/acknowledge', { id: 'INC-20260313-000000' }, OLD).expect(404);
    await house.post('/api/v1/incidents/acknowledge', { id: 'INC-20260313-000000' }, NEW).expect(401);
    await expect(house.reload()).rejects.toMatchObject({ code: 'invalid_configuration' });
  });

  it('decides by the new policy from the very next report on, and incidents keep what they were decided by', async () => {
    await using house = await openTestHouse({ policy: RECORDS });
    const before = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    write(house, CONTAINS);
    const [reloaded, after] = await Promise.all([house.post('/api/v1/reload', {}), house.post('/api/v1/incidents/report', aReport())]);
    expect(reloaded.status).toBe(200);
    expect([before.body.decided_by.policy_sha256, reloaded.body.policy_sha256]).toContain(after.body.decided_by.policy_sha256);
    expect(after.body.state).toBe(after.body.decided_by.policy_sha256 === reloaded.body.policy_sha256 ? 'contained' : 'open');
    const { body: kept } = await house.get(`/api/v1/incidents/${before.body.id}`).expect(200);
    expect(kept).toMatchObject({ state: 'open', decided_by: before.body.decided_by });
  });
});
