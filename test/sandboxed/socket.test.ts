// The socket-activated form: systemd holds the port, the service has no network at all, and contains over a unix socket.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GIVEN } from './box.ts';
import { LOG_FILE, POLICY_FILE, type Service, UNIT, installService } from './service.ts';
import { NODE } from './units.ts';

const SOCKET = '/run/secure-ai/agent/agent.sock';
const KEY = '/etc/secure-ai/credentials/secrets/agent.key';
const POLICY = `version: 1
rules:
  attestation_failure: {auto_contain: true, actions: [freeze_agent]}
  forbidden_airlock_request: {auto_contain: true, actions: [disable_airlock]}
actuators:
  agent:
    actions: [freeze_agent]
    push: "unix:${SOCKET}:/api/v1/freeze"
    secret: agent.key
    verify: {get: /api/v1/state, expect: {frozen: true}, every: 1s}
  airlock: {actions: [disable_airlock], push: "http://127.0.0.1:8490/api/v1/disable", deadline: 1s}
`;

let service: Service;
beforeAll(async () => {
  service = installService('--socket');
  service.box.sh(`(umask 077; printf 'whsec_%s\\n' "$(head -c 32 /dev/urandom | base64 -w0)" > ${KEY}); mkdir -p /run/secure-ai/agent`);
  const env = `--setenv=SOCKET=${SOCKET} --setenv=KEY=${KEY} --setenv=HOME_DIR=/run/agent --setenv=AUDIT=${LOG_FILE}`;
  service.box.sh(`systemd-run --quiet --unit=agent ${env} ${NODE} ${GIVEN}/agent.mjs`);
  await service.until('the agent listens', () => service.box.run('chmod', '666', SOCKET).code === 0);
  service.box.write(POLICY_FILE, POLICY);
  expect(service.systemctl('restart', UNIT)).toMatchObject({ code: 0 });
});
afterAll(() => service[Symbol.dispose]());

describe('a service that systemd hands its socket', () => {
  it('answers on it, and has no network of its own', () => {
    expect(service.get('/health').status).toBe(200);
    const namespace = (pid: string) => service.box.sh(`readlink /proc/${pid}/ns/net`);
    expect(namespace(service.show('MainPID'))).not.toBe(namespace('1'));
    expect(service.show('PrivateNetwork')).toBe('yes');
    expect(service.show('RestrictAddressFamilies')).toBe('AF_UNIX');
    const owner = service.box.sh("ss -ltnp 'sport = :8515'");
    expect(owner).toContain('"systemd"');
  });

  it('contains over a unix socket, and says so when it is verified', async () => {
    const { body } = service.report();
    await service.until('it is verified', () => service.get(`/api/v1/incidents/${body.id}`).body.containment.status === 'verified');
  });

  it('reaches nobody over TCP, and says so instead of calling it contained', async () => {
    const { body } = service.report({ class: 'forbidden_airlock_request' });
    const failed = await service.until('it has failed', () => {
      const { state, containment } = service.get(`/api/v1/incidents/${body.id}`).body;
      return containment.status === 'failed' && { state, containment };
    });
    expect(failed.state).toBe('open');
    expect(JSON.stringify(failed.containment)).toMatch(/EAFNOSUPPORT|EPERM|EACCES/);
  });

  it('keeps nobody out while it is started again: who comes then is answered afterwards', async () => {
    service.box.sh('curl -s -m 30 http://127.0.0.1:8515/health > /run/before');
    service.systemctl('restart', '--no-block', UNIT);
    // Who comes while it ends may still be told so, by 503; from then on systemd keeps the connection.
    await service.until('it is starting', () => service.show('ActiveState') === 'activating');
    expect(service.get('/health').status).toBe(200);
  });

  it('is started by who comes, when it has been stopped', () => {
    expect(service.systemctl('stop', UNIT).code).toBe(0);
    expect(service.get('/health').status).toBe(200);
    expect(service.show('ActiveState')).toBe('active');
  });
});
