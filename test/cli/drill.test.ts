// `drill` as an operator calls it: what each actuator is told, what is printed, and what a script reads from its exit code.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSecret } from '../support/house.ts';
import { ROOT, freePort } from '../support/program.ts';

const dir = mkdtempSync(join(tmpdir(), 'drill-'));
const SECRET = `whsec_${Buffer.from('a key of thirty-two bytes, or so').toString('base64')}`;

beforeAll(() => {
  mkdirSync(join(dir, 'secrets'));
  writeSecret(join(dir, 'secrets/agent.key'), `${SECRET}\n`);
  writeSecret(join(dir, 'secrets/agent.token'), 'the-token-of-the-agent\n');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function drill(policy: string, args: string[] = [], env: Record<string, string> = {}): Promise<Ran> {
  writeFileSync(join(dir, 'policy.yaml'), policy);
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'dist/cli.js'), 'drill', ...args],
      { env: { CONTAINMENT_POLICY_PATH: join(dir, 'policy.yaml'), SECRETS_DIR: join(dir, 'secrets'), ...env } },
      (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

const policyOf = (...actuators: string[]) => `version: 1\nrules: {}\nactuators:\n${actuators.map((each) => `  ${each}\n`).join('')}`;

interface Told {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly data: Record<string, any>;
}

interface TestActuator extends AsyncDisposable {
  /** As a policy writes it. */
  readonly push: string;
  readonly told: Told[];
}

type Answer = (told: Told, response: ServerResponse) => void;
/** The word for what was asked. */
const obeys: Answer = ({ data }, response) =>
  void response.end(JSON.stringify({ status: data['op'] === 'apply' ? 'enforced' : 'released', evidence: { drill: data['drill'] } }));
const says =
  (status: number, body = ''): Answer =>
  (_, response) =>
    void response.writeHead(status).end(body);

/** `await using actuator = await openActuator(obeys)`: on TCP, or on a unix socket. */
async function openActuator(answer: Answer, socket?: string): Promise<TestActuator> {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    void request.toArray().then((pieces: Buffer[]) => {
      const body = Buffer.concat(pieces).toString();
      const heard = { path: `${request.method} ${request.url}`, headers: request.headers, body, data: JSON.parse(body).data ?? {} };
      told.push(heard);
      answer(heard, response);
    });
  });
  if (socket === undefined) server.listen(0, '127.0.0.1');
  else server.listen(socket);
  await once(server, 'listening');
  const push =
    socket === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}/commands` : `unix:${socket}:/api/v1/commands`;
  return {
    ...{ push, told },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('drill', () => {
  it('tells an actuator to contain and to let go what is not there, signed, and as a drill', async () => {
    await using agent = await openActuator(obeys, join(dir, 'agent.sock'));
    const policy = policyOf(`agent: {actions: [freeze_agent], push: "${agent.push}", secret: agent.key, token: agent.token, deadline: 5s}`);
    const { code, stdout, stderr } = await drill(policy);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^actuator {2}action {8}outcome {4}contain +release\nagent {5}freeze_agent {2}contained {2}\d+\.\d ms +\d+\.\d ms\n$/,
    );

    expect(agent.told.map(({ path, data }) => [path, data['op']])).toEqual([
      ['POST /api/v1/commands', 'apply'],
      ['POST /api/v1/commands', 'release'],
    ]);
    const [apply, release] = agent.told as [Told, Told];
    const { hold_id } = apply.data as { hold_id: string };
    expect(hold_id).toMatch(/^DRL-[0-9a-f]{12}$/);
    expect(apply.data).toEqual({
      ...{ command_id: expect.stringMatching(/^DRL-[0-9a-f]{12}$/), op: 'apply', action: 'freeze_agent', params: {}, drill: true, seq: 0 },
      ...{ target: { type: 'drill', id: hold_id }, hold_id, incident_id: hold_id, incidents: [hold_id], incidents_count: 1 },
      ...{ reason: 'drill', attempt: 1, expires_at: null, deadline: expect.any(String) },
    });
    expect(release.data).toMatchObject({ op: 'release', drill: true, hold_id, target: { type: 'drill', id: hold_id } });
    expect(release.data['command_id']).not.toBe(apply.data['command_id']);
    for (const { body, headers } of agent.told) {
      expect(headers.authorization).toBe('Bearer the-token-of-the-agent');
      expect(() => new StandardWebhook(SECRET).verify(body, headers as Record<string, string>)).not.toThrow();
    }
  });

  it('asks for what can be undone, where the actuator does more, with the parameters of the action', async () => {
    await using gateway = await openActuator(obeys);
    const { code } = await drill(policyOf(`gateway: {actions: [terminate_session, rate_limit], push: "${gateway.push}"}`));
    expect(code).toBe(0);
    expect(gateway.told.map(({ data }) => [data['op'], data['action'], data['params']])).toEqual([
      ['apply', 'rate_limit', { limit: 5, window: '120s' }],
      ['release', 'rate_limit', { limit: 5, window: '120s' }],
    ]);
  });

  it('asks nobody to undo what only a human undoes', async () => {
    await using vault = await openActuator(obeys);
    const { code, stdout } = await drill(policyOf(`vault: {actions: [force_vault_relock], push: "${vault.push}"}`));
    expect(code).toBe(0);
    expect(vault.told.map(({ data }) => data['op'])).toEqual(['apply']);
    expect(stdout).toMatch(/^vault {5}force_vault_relock {2}contained {2}\d+\.\d ms +– +is undone by hand only$/m);
  });

  it('never asks one whose dialect knows no drill, nor one that fetches its commands', async () => {
    await using airlock = await openActuator(obeys);
    const { code, stdout } = await drill(
      policyOf(
        `airlock: {actions: [disable_airlock], push: "${airlock.push}", dialect: secai}`,
        'firewall: {actions: [block_ip], pull: true}',
      ),
    );
    expect(code).toBe(0);
    expect(airlock.told).toEqual([]);
    expect(stdout).toMatch(/^airlock +– +skipped +– +– +its dialect secai knows no drill$/m);
    expect(stdout).toMatch(/^firewall +– +skipped +– +– +it fetches its commands itself$/m);
  });

  it('never freezes what the environment of the original names', async () => {
    await using agent = await openActuator(obeys);
    const url = new URL(agent.push).origin;
    const { code, stdout } = await drill('version: 1\nrules: {}\n', ['--json'], { AGENT_URL: url, AIRLOCK_URL: url, REGISTRY_URL: url });
    expect(code).toBe(0);
    const { actuators } = JSON.parse(stdout) as { actuators: { actuator: string; outcome: string }[] };
    expect(actuators.map(({ actuator, outcome }) => [actuator, outcome])).toEqual([
      ['agent', 'skipped'],
      ['vault', 'skipped'],
      ['airlock', 'skipped'],
      ['registry', 'skipped'],
    ]);
    expect(agent.told).toEqual([]);
  });

  it('asks all side by side, says of each what went wrong, and ends with 1', async () => {
    await using good = await openActuator(obeys);
    await using busy = await openActuator(says(202));
    await using refuses = await openActuator(says(404));
    await using redirects = await openActuator((_, response) => void response.writeHead(307, { location: '/elsewhere' }).end());
    await using hangs = await openActuator(() => {});
    await using latches = await openActuator((told, response) => (told.data['op'] === 'apply' ? obeys : says(501))(told, response));
    await using babbles = await openActuator(says(200, '{"status":"banana","error":"\\u001b[2J"}'));
    const { code, stdout, stderr } = await drill(
      policyOf(
        `good: {actions: [freeze_agent], push: "${good.push}"}`,
        `busy: {actions: [disable_airlock], push: "${busy.push}"}`,
        `refuses: {actions: [block_ip], push: "${refuses.push}"}`,
        `redirects: {actions: [quarantine_model], push: "${redirects.push}"}`,
        `hangs: {actions: [suspend_user], push: "${hangs.push}", deadline: 2s}`,
        `latches: {actions: [rate_limit], push: "${latches.push}"}`,
        `babbles: {actions: [force_vault_relock], push: "${babbles.push}", deadline: 2s}`,
        `gone: {actions: [terminate_session], push: "http://127.0.0.1:${await freePort()}/x", deadline: 2s}`,
      ),
      ['--json'],
    );
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const { actuators } = JSON.parse(stdout) as { actuators: Record<string, any>[] };
    const [times, took] = [{ contain_ms: null, release_ms: null }, expect.any(Number)];
    const at = (actuator: string, action: string, outcome: string, more: object) => ({ actuator, action, outcome, ...times, ...more });
    expect(actuators).toEqual([
      at('good', 'freeze_agent', 'contained', { contain_ms: took, release_ms: took, attempts: 1, detail: null }),
      at('busy', 'disable_airlock', 'accepted', { attempts: 1, detail: 'it works on it, and tells the service when that is done' }),
      at('refuses', 'block_ip', 'failed', { attempts: 1, detail: 'it answered 404' }),
      at('redirects', 'quarantine_model', 'failed', { attempts: 1, detail: 'it answered 307: redirects are not followed' }),
      at('hangs', 'suspend_user', 'failed', { attempts: 1, detail: 'no whole answer within 2000 ms' }),
      at('latches', 'rate_limit', 'failed', { contain_ms: took, attempts: 1, detail: 'release: it answered 501' }),
      at('babbles', 'force_vault_relock', 'failed', { attempts: 2, detail: 'it answered 200 without a status that is known' }),
      at('gone', 'terminate_session', 'failed', { attempts: 2, detail: 'connection refused' }),
    ]);
    expect([good, busy, refuses, hangs].map(({ told }) => told.map(({ data }) => data['op']))).toEqual(
      Array.from({ length: 4 }, () => ['apply', 'release']),
    );
    expect(redirects.told.map(({ path }) => path)).toEqual(['POST /commands']);
    expect(babbles.told.map(({ data }) => [data['attempt'], data['command_id']])).toEqual([
      [1, babbles.told[0]?.data['command_id']],
      [2, babbles.told[0]?.data['command_id']],
    ]);
  });

  it('waits as it is asked to, and counts that', async () => {
    let first = true;
    await using agent = await openActuator((told, response) => {
      if (first) response.writeHead(503, { 'retry-after': '2' }).end();
      else obeys(told, response);
      first = false;
    });
    const { code, stdout } = await drill(policyOf(`agent: {actions: [freeze_agent], push: "${agent.push}"}`), ['--json']);
    expect(code).toBe(0);
    const { actuators } = JSON.parse(stdout) as { actuators: Record<string, any>[] };
    expect(actuators).toMatchObject([{ outcome: 'contained', attempts: 2, detail: null }]);
    expect(actuators[0]?.['contain_ms']).toBeGreaterThanOrEqual(2000);
    expect(actuators[0]?.['release_ms']).toBeLessThan(1000);
  });

  it('asks one alone when it is named, and ends with 2 when there is none of that name', async () => {
    await using agent = await openActuator(obeys);
    await using other = await openActuator(obeys);
    const policy = policyOf(
      `agent: {actions: [freeze_agent], push: "${agent.push}"}`,
      `other: {actions: [block_ip], push: "${other.push}"}`,
    );
    const { code, stdout } = await drill(policy, ['--actuator', 'agent']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(other.told).toEqual([]);
    expect(await drill(policy, ['--actuator', 'agnt'])).toEqual({
      ...{ code: 2, stdout: '' },
      stderr: 'incident-recorder: --actuator agnt: the policy names no such actuator; did you mean "agent"?\n',
    });
  });

  it('says so when there is nobody to ask', async () => {
    expect(await drill('version: 1\nrules: {}\n')).toEqual({
      ...{ code: 0, stdout: '', stderr: 'the policy names no actuator: there is nobody to ask\n' },
    });
    expect(await drill('version: 1\nrules: {}\n', ['--json'])).toEqual({ code: 0, stdout: '{"actuators":[]}\n', stderr: '' });
  });

  it('ends with 78 when the configuration is not good, before anybody is asked', async () => {
    await using agent = await openActuator(obeys);
    const named = (more: string) => policyOf(`agent: {actions: [freeze_agent], push: "${agent.push}", ${more}}`);
    for (const policy of [named('secret: no.key'), named('secret: agent.token'), named('deadline: soon'), 'version: 2\n']) {
      const { code, stdout, stderr } = await drill(policy);
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
      expect(stderr).toMatch(/^incident-recorder: /);
      expect(stderr).not.toContain('the-token-of-the-agent');
    }
    expect((await drill(named('deadline: 1s'), [], { AGENT_URL: 'http://agent.example' })).code).toBe(78);
    expect(agent.told).toEqual([]);
  });

  it('tells in its help what an actuator does that does not look at `drill`', async () => {
    const { code, stdout } = await drill('version: 1\nrules: {}\n', ['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('An actuator that does not look at');
    expect(stdout).toContain('would act on the target drill:DRL-…');
  });
});
