// The service under systemd: how it starts, ends, is started again, and when it is not; and how exposed its unit is.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POLICY_FILE, type Service, UNIT, installService } from './service.ts';

let service: Service;
beforeAll(() => {
  service = installService();
});
afterAll(() => service[Symbol.dispose]());

const isActive = () => service.show('ActiveState') === 'active';
const pid = () => Number(service.show('MainPID'));
const status = (field: string) => new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(service.box.read(`/proc/${pid()}/status`))?.[1];

describe('the installed service', () => {
  it('is started by the installer, says that it serves, and how it is doing', () => {
    expect(service.told).toContain('is active, and answers');
    expect(isActive()).toBe(true);
    expect(service.show('StatusText')).toMatch(/^ok on http:\/\/127\.0\.0\.1:8515, 0 incidents open or contained/);
    expect(service.get('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('is nobody: a user of its own, without capabilities, under filters, with few threads', () => {
    expect(Number(status('Uid')?.split('\t')[0])).toBeGreaterThanOrEqual(61_184);
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(status(set)).toBe('0000000000000000');
    expect(status('NoNewPrivs')).toBe('1');
    expect(status('Seccomp')).toBe('2');
    expect(Number(status('Seccomp_filters'))).toBeGreaterThan(1);
    expect(Number(status('Threads'))).toBeLessThanOrEqual(6);
  });

  it('cannot be looked into or stopped by what it leaves behind: no file of it is anybody else’s to read', () => {
    const open = service.box.sh('find /var/lib/private/secure-ai/logs/ -type f -perm /o+rwx');
    expect(open).toBe('');
  });

  it('ends cleanly within its time, and says so', () => {
    const began = Date.now();
    expect(service.systemctl('stop', UNIT)).toMatchObject({ code: 0 });
    expect(Date.now() - began).toBeLessThan(15_000);
    expect([service.show('Result'), service.show('ExecMainStatus')]).toEqual(['success', '0']);
    expect(service.journal()).toContain('"message":"stopped"');
    expect(service.systemctl('start', UNIT)).toMatchObject({ code: 0 });
  });

  it('is started again after it was killed, with what it had', async () => {
    const { body } = service.report({ class: 'tool_call_burst' }, 0);
    const before = pid();
    service.box.sh(`kill -9 ${before}`);
    await service.until('it runs again', () => isActive() && pid() !== before && service.get('/health').status === 200);
    expect(Number(service.show('NRestarts'))).toBe(1);
    expect(service.get(`/api/v1/incidents/${body.id}`).body).toMatchObject({ id: body.id });
  });

  it('is killed when it hangs, and started again', async () => {
    service.dropIn('watchdog', 'WatchdogSec=3');
    expect(service.systemctl('restart', UNIT)).toMatchObject({ code: 0 });
    const [before, restarts] = [pid(), Number(service.show('NRestarts'))];
    await new Promise((resolve) => void setTimeout(resolve, 5_000));
    expect(pid()).toBe(before); // one that lives is left alone
    service.box.sh(`kill -STOP ${before}`);
    await service.until('it runs again', () => isActive() && pid() !== before && service.get('/health').status === 200);
    expect(Number(service.show('NRestarts'))).toBe(restarts + 1);
    service.dropIn('watchdog');
  });

  it('is asked to reload, and systemctl waits until it has', async () => {
    const policy = service.box.read(POLICY_FILE);
    service.box.write(POLICY_FILE, `${policy}\n# another\n`);
    expect(service.systemctl('reload', UNIT)).toMatchObject({ code: 0 });
    await service.until('it has reloaded', () => service.journal().includes('"message":"reloaded"'));
    service.box.write(POLICY_FILE, 'version: 1\nrules: 7\n');
    service.systemctl('reload', UNIT);
    await service.until('it says what is wrong', () => service.show('StatusText').startsWith('reload refused: '));
    expect(service.show('StatusText')).toContain('incident-containment.yaml:2:1: rules');
    expect(service.get('/health').status).toBe(200);
    service.box.write(POLICY_FILE, policy);
    service.systemctl('reload', UNIT);
    await service.until('all is well again', () => service.show('StatusText').startsWith('ok on'));
  });
});

/** Starts it as it now is, which is not to succeed, and waits long enough for a restart to have come. */
async function failing(): Promise<{ result: string; code: string; restarts: string; journal: string }> {
  service.systemctl('stop', UNIT);
  service.systemctl('reset-failed', UNIT);
  const before = service.journal().length;
  expect(service.systemctl('start', UNIT).code).not.toBe(0);
  await new Promise((resolve) => void setTimeout(resolve, 4_000));
  const code = service.show('ExecMainStatus');
  return { result: service.show('ActiveState'), code, restarts: service.show('NRestarts'), journal: service.journal().slice(before) };
}

/** It has ended with 78, was not started again, and has said why. */
const givenUp = (why: string) => ({ result: 'failed', code: '78', restarts: '0', journal: expect.stringContaining(why) });

describe('what does not mend itself is not started again and again', () => {
  it('a bad policy', async () => {
    const policy = service.box.read(POLICY_FILE);
    service.box.write(POLICY_FILE, 'version: 1\nrules: 7\n');
    expect(await failing()).toMatchObject(givenUp('incident-containment.yaml:2:1'));
    service.box.write(POLICY_FILE, policy);
  });

  it('a kernel without Landlock, as which a filter makes it look; unless the unit says that it may be so', async () => {
    service.dropIn('landlock', 'SystemCallFilter=~landlock_create_ruleset');
    expect(await failing()).toMatchObject(givenUp('Landlock is not in this kernel'));
    service.dropIn('landlock', 'SystemCallFilter=~landlock_create_ruleset', 'Environment=SANDBOX_LANDLOCK=off');
    expect(service.systemctl('start', UNIT)).toMatchObject({ code: 0 });
    expect(service.get('/health').status).toBe(200);
    service.dropIn('landlock');
  });

  it('no profile', async () => {
    service.dropIn('profile', 'InaccessiblePaths=/usr/lib/incident-recorder/systemd/seccomp.json');
    expect(await failing()).toMatchObject(givenUp('seccomp.json'));
    service.dropIn('profile');
  });

  it('no launcher: the service is not started without', async () => {
    service.dropIn('launcher', 'InaccessiblePaths=/usr/lib/incident-recorder/lib/launch.js', 'Restart=no');
    expect(await failing()).toMatchObject({ result: 'failed', journal: expect.not.stringContaining('"listening"') });
    service.dropIn('launcher');
    expect(service.systemctl('start', UNIT)).toMatchObject({ code: 0 });
  });
});

describe('the units', () => {
  const systemd = join(import.meta.dirname, '../../systemd');
  const folder = mkdtempSync(join(tmpdir(), 'units-'));
  cpSync(join(systemd, `${UNIT}.service`), join(folder, `${UNIT}.service`));
  const socketed = join(folder, 'socketed');
  mkdirSync(join(socketed, `${UNIT}.service.d`), { recursive: true });
  for (const kind of ['service', 'socket']) cpSync(join(systemd, `${UNIT}.${kind}`), join(socketed, `${UNIT}.${kind}`));
  cpSync(join(systemd, 'socket-activated.conf'), join(socketed, `${UNIT}.service.d/socket-activated.conf`));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['over TCP', folder, 0.9],
    ['over unix sockets alone', socketed, 0.5],
  ])('are exposed, %s, no more than they are to be', (_, path, most) => {
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', join(path, `${UNIT}.service`)], {
      encoding: 'utf8',
    });
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(most);
    expect(Number(exposure)).toBeGreaterThan(0);
  });

  it('are such that systemd has nothing to say of them', () => {
    service.box.sh(`cp /opt/given/release/systemd/${UNIT}.socket /run/systemd/system/`);
    const { code, out, err } = service.box.run(
      'systemd-analyze',
      'verify',
      '--man=no',
      `/usr/lib/systemd/system/${UNIT}.service`,
      `/run/systemd/system/${UNIT}.socket`,
    );
    expect([code, out, err]).toEqual([0, '', '']);
    expect(service.journal()).not.toMatch(/Unknown key|Failed to parse|ignoring/i);
  });
});
