// The whole journey of an installed service, with every layer in force: once as it is shipped, and once under a filter that kills for any other call.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeOlderInstallation } from '../support/older-store.ts';
import { GIVEN } from './box.ts';
import { LOG_FILE, POLICY_FILE, type Service, UNIT, installService } from './service.ts';
import { NODE } from './units.ts';

/** One who has not reported it. */
const OPERATOR = 'operator-'.repeat(5);
const TOKENS = '/etc/secure-ai/credentials/tokens.yaml';
const STATE = '/var/lib/secure-ai/logs';
const SECRETS = '/etc/secure-ai/credentials/secrets';
const SOCKET = '/run/secure-ai/agent/agent.sock';
const POLICY = readFileSync(join(import.meta.dirname, '../../policy/with-actuators.yaml'), 'utf8')
  .replace('every: 30s', 'every: 1s')
  .concat('alerting: {webhooks: [{url: "http://localhost:9090/hook"}]}\n');

describe.each(['required', 'kill'])('with seccomp=%s', (seccomp) => {
  let service: Service;
  beforeAll(() => {
    service = installService('--no-start');
    service.dropIn('seccomp', `Environment=SANDBOX_SECCOMP=${seccomp}`, 'Environment=AUDIT_ROTATE_BYTES=100000');
    const sha256 = createHash('sha256').update(OPERATOR).digest('hex');
    service.box.write(TOKENS, `version: 1\ntokens:\n  - {name: alice, role: operator, sha256: ${sha256}}\n`, 0o600);
    service.dropIn('tokens', `LoadCredential=tokens.yaml:${TOKENS}`, 'Environment=TOKENS_PATH=%d/tokens.yaml');
  });
  afterAll(() => service[Symbol.dispose]());

  const incident = (id: string) => service.get(`/api/v1/incidents/${id}`).body;
  const actions = (id: string): Record<string, string> =>
    Object.fromEntries(incident(id).containment.actions.map(({ action, status }: Record<string, string>) => [action, status]));
  const restart = () => expect(service.systemctl('restart', UNIT)).toMatchObject({ code: 0 });
  const verify = (...more: string[]) => service.box.run('incident-recorder', 'audit', 'verify', LOG_FILE, ...more);
  /** In the box, as a service that has the name of its program. */
  const start = (name: string, env: Record<string, string>) => {
    const settings = Object.entries({ AUDIT: LOG_FILE, HOME_DIR: `/run/${name}`, ...env }).map(
      ([key, value]) => `--setenv=${key}=${value}`,
    );
    service.box.sh(
      `mkdir -p /run/secure-ai/agent && systemd-run --quiet --unit=${name} ${settings.join(' ')} ${NODE} ${GIVEN}/${name}.mjs`,
    );
  };

  it('takes over the store and the log of an older version', async () => {
    const older = mkdtempSync(join(tmpdir(), 'older-'));
    writeOlderInstallation(older, '4');
    service.box.sh(`mkdir -p ${STATE}`);
    for (const file of readdirSync(older)) service.box.write(`${STATE}/${file}`, readFileSync(join(older, file)));
    rmSync(older, { recursive: true });
    expect(service.systemctl('start', UNIT)).toMatchObject({ code: 0 });
    const found = service.get('/api/v1/incidents?limit=200').body as { id: string; state: string }[];
    expect(found.length).toBeGreaterThan(4);
    // What was left to its services then is not commanded now: it is closed, and what comes is contained anew.
    for (const { id } of found.filter(({ state }) => state !== 'resolved'))
      expect(service.post('/api/v1/incidents/resolve', { id }).status).toBe(200);
    expect(verify().code).toBe(0);
  });

  it('contains over TCP and over a unix socket, says so when it is verified, and knows the same problem again', async () => {
    service.box.sh(
      `(umask 077; printf 'whsec_%s\\n' "$(head -c 32 /dev/urandom | base64 -w0)" > ${SECRETS}/agent.key; printf token > ${SECRETS}/airlock.token)`,
    );
    start('agent', { SOCKET, KEY: `${SECRETS}/agent.key` });
    start('airlock', { PORT: '8490', TOKEN: 'token' });
    const hook = `require('node:http').createServer((q, s) => s.end(q.pipe(process.stdout) && '')).listen(9090, '127.0.0.1')`;
    service.box.sh(`systemd-run --quiet --unit=hook --property=StandardOutput=truncate:/run/hook ${NODE} -e "${hook}"`);
    await service.until('the agent listens', () => service.box.run('chmod', '666', SOCKET).code === 0);
    service.box.write(POLICY_FILE, POLICY);
    restart();
    const { status, body } = service.report({ dedup_key: 'pcr7' });
    expect(status).toBe(201);
    await service.until('it is contained', () => incident(body.id).state === 'contained');
    await service.until('the freeze is verified', () => actions(body.id)['freeze_agent'] === 'verified');
    expect(actions(body.id)).toMatchObject({ disable_airlock: 'enforced', force_vault_relock: 'recorded' });
    expect(service.box.read('/run/airlock/log.jsonl')).toContain('"recorded":true');
    await service.until('a webhook was told', () => service.box.read('/run/hook').includes(body.id));
    expect(service.report({ dedup_key: 'pcr7' })).toMatchObject({ status: 200, body: { id: body.id, occurrences: 2 } });
  });

  it('releases what is resolved, once an operator has seen it and the host has attested itself', async () => {
    const { body: other } = service.report({ class: 'policy_bypass_attempt' });
    const [first] = service.get('/api/v1/incidents?class=attestation_failure&state=contained').body as { id: string }[];
    const id = first?.id ?? '';
    expect(service.post('/api/v1/incidents/resolve', { id })).toMatchObject({
      status: 409,
      body: { missing: ['acknowledged', 'attested'] },
    });
    expect(service.post('/api/v1/incidents/acknowledge', { id }).status).toBe(200);
    const attested = { binding: incident(id).release.binding, evidence: { quote: 'pcr7' } };
    expect(service.post(`/api/v1/incidents/${id}/attest`, attested, OPERATOR).status).toBe(200);
    for (const each of [id, other.id]) expect(service.post('/api/v1/incidents/resolve', { id: each })).toMatchObject({ status: 200 });
    await service.until('the agent is free', () => Object.keys(JSON.parse(service.box.read('/run/agent/state.json')).holds).length === 0);
  });

  it('keeps ports closed that the policy did not lead to when it started, says so, and opens them by a restart', async () => {
    service.box.write(POLICY_FILE, POLICY.replace('127.0.0.1:8490', '127.0.0.1:8491'));
    expect(service.post('/api/v1/reload', {})).toMatchObject({ status: 409, body: { code: 'restart_required' } });
    restart();
    service.box.write(POLICY_FILE, `${POLICY}\n# back\n`);
    expect(service.post('/api/v1/reload', {})).toMatchObject({ status: 409, body: { code: 'restart_required' } });
    restart();
    expect(service.post('/api/v1/reload', {})).toMatchObject({ status: 200 });
  });

  it('ends files of the log and begins others, and root verifies all of them with the operator’s command', async () => {
    const files = () =>
      service.box
        .sh(`ls ${STATE}`)
        .split('\n')
        .filter((name) => name.endsWith('.jsonl')).length;
    const before = files();
    const lines = Array.from({ length: 60 }, (_, i) => ({ class: 'tool_call_burst', source: `s${i}`, description: 'x'.repeat(2_000) }));
    service.box.write('/run/lines', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const sent = service.box.sh(
      `curl -s -H "Authorization: Bearer $(cat /run/secure-ai/service-token)" -H 'Content-Type: application/x-ndjson' --data-binary @/run/lines http://127.0.0.1:8515/api/v1/incidents/reports`,
    );
    expect(
      sent
        .trim()
        .split('\n')
        .every((line) => line.includes('"status":201')),
    ).toBe(true);
    await service.until('a file has ended', () => files() > before);
    service.box.sh('curl -s http://127.0.0.1:8515/api/v1/audit/checkpoint > /run/held');
    expect(verify('--checkpoint', '/run/held')).toMatchObject({ code: 0, out: expect.stringContaining('are sound') });
  });

  it('has everything after a restart, and after it was killed', async () => {
    const total = () => service.get('/health').body.total_incidents as number;
    const before = total();
    restart();
    expect(total()).toBe(before);
    service.box.sh(`kill -9 ${service.show('MainPID')}`);
    await service.until('it is there again', () => service.get('/health').status === 200);
    expect(total()).toBe(before);
    expect(service.show('NRestarts')).toBe('1');
  });

  it('makes its store again out of the log when it cannot be read, and says so', async () => {
    const { total_incidents: before } = service.get('/health').body;
    service.systemctl('stop', UNIT);
    service.box.sh(`printf 'this is no database' | dd of=${STATE}/incidents.db conv=notrunc status=none`);
    expect(service.systemctl('start', UNIT)).toMatchObject({ code: 0 });
    expect(service.journal()).toContain('the store is damaged; it is kept aside');
    expect(service.get('/health').body.total_incidents).toBeGreaterThanOrEqual(before);
    expect(service.box.sh(`ls ${STATE}`)).toContain('incidents.db.damaged-');
    expect(verify().code).toBe(0);
  });

  it('is upgraded while it runs, and goes on with policy, credentials and store', async () => {
    const kept = () =>
      service.box.sh(`cat ${POLICY_FILE} /etc/secure-ai/credentials/service-token /etc/secure-ai/credentials/checkpoint.key | sha256sum`);
    const [before, total, pid] = [kept(), service.get('/health').body.total_incidents, service.show('MainPID')];
    const told = service.box.sh(`sh ${GIVEN}/next/install.sh`);
    expect(told).toContain('install 9.9.9 to /usr/lib/incident-recorder in place of');
    expect(service.show('MainPID')).not.toBe(pid);
    expect(kept()).toBe(before);
    expect(service.get('/health')).toMatchObject({ status: 200, body: { total_incidents: total } });
    expect(service.box.sh(`sh ${GIVEN}/next/install.sh`)).toContain('is active, and runs 9.9.9');
  });

  it('was never ended by a call that it should not make, and ends as it should', () => {
    // Since the upgrade; before it, it was killed once, by this test.
    expect(service.show('NRestarts')).toBe('0');
    expect(service.systemctl('stop', UNIT)).toMatchObject({ code: 0 });
    expect([service.show('Result'), service.show('ExecMainStatus')]).toEqual(['success', '0']);
    expect(verify('--db', `${STATE}/incidents.db`).code).toBe(0);
    expect(service.journal()).not.toContain('SIGSYS');
  });

  it('is removed, and leaves the policy, the credentials and the log', () => {
    service.systemctl('start', UNIT);
    expect(service.box.sh('sh /usr/lib/incident-recorder/install.sh --uninstall')).toContain('/var/lib/secure-ai');
    expect(service.show('ActiveState')).toBe('inactive');
    expect(service.systemctl('is-enabled', UNIT).code).not.toBe(0);
    const gone = [
      '/usr/lib/incident-recorder',
      '/usr/bin/incident-recorder',
      `/usr/lib/systemd/system/${UNIT}.service`,
      '/usr/lib/tmpfiles.d/incident-recorder.conf',
    ];
    for (const path of gone) expect(service.box.run('test', '-e', path).code).toBe(1);
    for (const path of [POLICY_FILE, '/etc/secure-ai/credentials/checkpoint.key', LOG_FILE])
      expect(service.box.run('test', '-e', path).code).toBe(0);
  });
});
