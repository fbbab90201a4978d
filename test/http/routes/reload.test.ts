// POST /api/v1/reload: policy and tokens, all or none.

import { createHash } from 'node:crypto';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse, tokensFile, writeSecret } from '../../support/house.ts';
import { ROLE_TOKENS, faultOfProblem } from '../../support/routes.ts';

const POLICY = 'version: 1\nrules:\n  tool_call_burst: {auto_contain: true, actions: [freeze_agent]}\n';
const OBSERVING = POLICY.replace('rules:', 'mode: observe\nrules:');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function openReloadable(): Promise<TestHouse> {
  return openTestHouse({ policy: POLICY, tokens: ROLE_TOKENS });
}

async function state(house: TestHouse): Promise<string> {
  return (await house.post('/api/v1/incidents/report', aReport({ class: 'tool_call_burst' })).expect(201)).body.state;
}

describe('a reload', () => {
  it('puts a good policy in force for the next report, and says by its hash which', async () => {
    await using house = await openReloadable();
    expect(await state(house)).toBe('contained');
    writeFileSync(join(house.dir, 'policy.yaml'), OBSERVING);
    const { body } = await house.post('/api/v1/reload', {}, ROLE_TOKENS.operator.token).expect(200);
    expect(body).toMatchObject({ status: 'reloaded', policy_sha256: sha256(OBSERVING), mode: 'observe' });
    expect(await state(house)).toBe('open');
    const loaded = house.records().filter(({ type }) => type === 'policy.loaded');
    expect(loaded.at(-1)).toMatchObject({
      seq: body.audit.seq,
      hash: body.audit.hash,
      actor: 'operator:operator',
      data: { sha256: sha256(OBSERVING) },
    });
    expect(house.records().find(({ seq }) => seq === body.audit.seq + 1)).toMatchObject({ type: 'tokens.loaded' });
  });

  it('takes no body, an empty object, and nothing else', async () => {
    await using house = await openReloadable();
    await house.http.post('/api/v1/reload').set('Authorization', `Bearer ${ROLE_TOKENS.operator.token}`).expect(200);
    await house.post('/api/v1/reload', {}).expect(200);
    const before = house.records().length;
    const answer = await house.post('/api/v1/reload', { policy: 'mine' }).expect(400);
    expect(answer.body.errors).toMatchObject([{ pointer: '/policy' }]);
    expect(house.records()).toHaveLength(before);
  });

  it.each([
    ['an unknown key', 'version: 1\nrules: {}\nmodes: observe\n', 3, /did you mean "mode"/],
    ['an unknown action', 'version: 1\nrules:\n  tool_call_burst:\n    actions: [freeze_agents]\n', 4, /did you mean "freeze_agent"/],
    ['an unknown class', 'version: 1\nrules:\n  tool_call_bursts: {actions: [freeze_agent]}\n', 3, /did you mean "tool_call_burst"/],
    ['a tab', 'version: 1\nrules:\n\ttool_call_burst: {}\n', 3, /tab/i],
    ['a key that stands twice', 'version: 1\nrules: {}\nrules: {}\n', 3, /second time|unique/i],
    ['anchors that explode', `a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nversion: 1\nrules: *c\n`, 1, /anchor or alias/],
    ['a merge key', 'version: 1\nrules:\n  tool_call_burst:\n    <<: {actions: [freeze_agent]}\n', 4, /<</],
    ['two documents', 'version: 1\nrules: {}\n---\nversion: 1\nrules: {}\n', 3, /document/],
    ['a tag', 'version: 1\nrules: !!js/function "x"\n', 2, /tag/],
    ['no text', '', 1, /empty/],
    ['no mapping', '- version: 1\n', 1, /mapping|object/],
  ])('of a policy with %s is 400 with line and column, and what was in force stays', async (_, text, line, detail) => {
    await using house = await openReloadable();
    const before = house.records().length;
    writeFileSync(join(house.dir, 'policy.yaml'), text);
    const answer = await house.post('/api/v1/reload', {}).expect(400);
    expect(answer.body).toMatchObject({ code: 'invalid_configuration', detail: expect.stringMatching(detail) });
    expect(answer.body.errors[0]).toMatchObject({ line, column: expect.any(Number) });
    expect(faultOfProblem(answer)).toBeNull();
    expect(house.records()).toHaveLength(before);
    expect(await state(house)).toBe('contained');
  });

  it('of a policy of 10 MB is 400, as is one of bytes that are no text, and one that is not there', async () => {
    await using house = await openReloadable();
    const path = join(house.dir, 'policy.yaml');
    for (const write of [
      () => writeFileSync(path, `${POLICY}# ${'x'.repeat(10 * 1024 * 1024)}\n`),
      () => writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00])),
      () => rmSync(path),
    ]) {
      write();
      expect((await house.post('/api/v1/reload', {}).expect(400)).body.code).toBe('invalid_configuration');
      expect(await state(house)).toBe('contained');
    }
  });

  it('of good policy and bad tokens changes neither, and of bad policy and good tokens neither', async () => {
    await using house = await openReloadable();
    const files = { policy: join(house.dir, 'policy.yaml'), tokens: join(house.dir, 'tokens.yaml') };
    const onlyBob = tokensFile({ bob: { token: 'b'.repeat(40), role: 'operator' } });
    const expectUnchanged = async () => {
      await house.post('/api/v1/reload', {}).expect(400);
      expect(await state(house)).toBe('contained');
      await house.get('/api/v1/incidents?q=a', ROLE_TOKENS.reader.token).expect(200);
      await house.get('/api/v1/incidents?q=a', 'b'.repeat(40)).expect(401);
    };
    const before = house.records().filter(({ type }) => type.endsWith('.loaded')).length;
    writeFileSync(files.policy, OBSERVING);
    writeSecret(files.tokens, onlyBob.replace('role', 'rolle'));
    await expectUnchanged();
    writeSecret(files.tokens, onlyBob);
    chmodSync(files.tokens, 0o644);
    await expectUnchanged();
    writeSecret(files.tokens, onlyBob);
    writeFileSync(files.policy, 'version: 2\n');
    await expectUnchanged();
    writeFileSync(files.policy, OBSERVING);
    writeSecret(join(house.dir, 'service-token'), 'short');
    await expectUnchanged();
    expect(house.records().filter(({ type }) => type.endsWith('.loaded'))).toHaveLength(before);
  });

  it('never tells what is in the token file', async () => {
    await using house = await openReloadable();
    writeSecret(join(house.dir, 'tokens.yaml'), 'my-secret-token-that-i-pasted-here-by-mistake');
    const answer = await house.post('/api/v1/reload', {}).expect(400);
    expect(answer.text).not.toContain('my-secret');
    expect(JSON.stringify(house.logged)).not.toContain('my-secret');
  });
});

describe('in a sandbox that keeps ports closed', () => {
  const leadingTo = (port: number) =>
    `${POLICY}actuators: {agent: {actions: [freeze_agent], push: "http://127.0.0.1:${port}/freeze", dialect: secai}}\n`;

  it('a policy that leads to another port is refused with restart_required, and what was in force stays', async () => {
    await using house = await openTestHouse({ policy: leadingTo(8490), tokens: ROLE_TOKENS, env: { CONNECT_PORTS: '8490' } });
    writeFileSync(join(house.dir, 'policy.yaml'), leadingTo(8491));
    const before = house.records().length;
    const { body } = await house.post('/api/v1/reload', {}, ROLE_TOKENS.operator.token).expect(409);
    expect(body).toMatchObject({
      code: 'restart_required',
      type: '/problems/restart-required',
      detail: expect.stringContaining('port 8491'),
    });
    expect(house.records()).toHaveLength(before);
    const { body: actuators } = await house.get('/api/v1/actuators', ROLE_TOKENS.operator.token).expect(200);
    expect(JSON.stringify(actuators)).toContain(':8490/');
    writeFileSync(join(house.dir, 'policy.yaml'), `# the same port\n${leadingTo(8490)}`);
    await house.post('/api/v1/reload', {}, ROLE_TOKENS.operator.token).expect(200);
  });

  it('the service does not start on one, for the launcher is to read it again', async () => {
    await expect(openTestHouse({ policy: leadingTo(8491), env: { CONNECT_PORTS: 'none' } })).rejects.toMatchObject({
      code: 'restart_required',
    });
  });
});
