// The ports that a policy leads to: those that the launcher finds without judging are those of the policy in force, and others are refused.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actuatorsOfEnvironment } from '../../src/policy/environment.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import { namedPorts } from '../../src/policy/named-ports.ts';
import { portsOf, refuseClosedPorts } from '../../src/policy/ports.ts';
import { openFolder } from '../support/folder.ts';
import { refusalOf } from '../support/refusal.ts';

const ROOT = join(import.meta.dirname, '../..');

/** As both find them: the launcher in the file, the service in the policy that it makes of it. */
async function found(text: string, env: Record<string, string> = {}) {
  using folder = openFolder();
  const named = await namedPorts({ ...env, CONTAINMENT_POLICY_PATH: folder.file('policy.yaml', text) });
  return { named, led: portsOf(parsePolicy('policy.yaml', text, actuatorsOfEnvironment(env))) };
}

const AIRLOCK = '{actions: [disable_airlock], push: "http://127.0.0.1:8490/x"}';

describe('the ports of a policy', () => {
  it.each<[string, string, Record<string, string>, number[]]>([
    ['none', 'version: 1\nrules: {}', {}, []],
    ['of an actuator', `version: 1\nrules: {}\nactuators: {a: ${AIRLOCK}}`, {}, [8490]],
    [
      'not of a unix socket, nor of who fetches',
      'version: 1\nrules: {}\nactuators: {a: {actions: [freeze_agent], push: "unix:/a.sock:/x"}, b: {actions: [block_ip], pull: true}}',
      {},
      [],
    ],
    [
      'of a scheme, where none is written',
      'version: 1\nrules: {}\nactuators: {a: {actions: [freeze_agent], push: "http://127.0.0.1/x"}}\nalerting: {webhooks: [{url: "https://hooks.example/x"}]}',
      {},
      [80, 443],
    ],
    [
      'each once',
      `version: 1\nrules: {}\nactuators: {a: ${AIRLOCK}}\nalerting: {webhooks: [{url: "http://127.0.0.1:8490/hook"}, {url: "http://[::1]:9090"}]}`,
      {},
      [8490, 9090],
    ],
    [
      'of the environment, for a policy that names no actuator',
      'version: 1\nrules: {}',
      { AGENT_URL: 'http://127.0.0.1:8476', AIRLOCK_URL: 'http://127.0.0.1:8490/' },
      [8476, 8490],
    ],
    [
      'not of the environment, for one that does',
      `version: 1\nrules: {}\nactuators: {a: ${AIRLOCK}}`,
      { AGENT_URL: 'http://127.0.0.1:8476' },
      [8490],
    ],
    [
      'in whatever way it is written',
      'version: 1\nrules: {}\nactuators: {a: {actions: [freeze_agent], push: "http://127.0.0.1:8\\x34/x"}}',
      {},
      [84],
    ],
    ['not of a comment, nor of a description', `# http://127.0.0.1:1/x\nversion: 1\nrules: {}`, {}, []],
  ])('%s', async (_, text, env, ports) => {
    expect(await found(text, env)).toEqual({ named: ports, led: ports });
  });

  it('are the same to the launcher and to the service, whatever the addresses', async () => {
    const quote = fc.constantFrom('"', "'", '');
    const end = fc.constantFrom('', ' # push: "http://127.0.0.1:1/x"');
    const address = fc.record({
      quote,
      end,
      tls: fc.boolean(),
      host: fc.constantFrom('127.0.0.1', '127.9.8.7', '[::1]'),
      port: fc.option(fc.integer({ min: 1, max: 65_535 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(address, { maxLength: 4 }), fc.array(address, { maxLength: 4 }), async (actuators, webhooks) => {
        const actions = ['freeze_agent', 'disable_airlock', 'force_vault_relock', 'quarantine_model'];
        const urlOf = ({ quote: mark, tls, host, port }: (typeof actuators)[number]) => {
          const url = `http${tls ? 's' : ''}://${host}${port === null ? '' : `:${port}`}/x`;
          return host.startsWith('[') && mark === '' ? `"${url}"` : `${mark}${url}${mark}`;
        };
        const lines = [
          'version: 1',
          'rules: {}',
          ...(actuators.length > 0 ? ['actuators:'] : []),
          ...actuators.flatMap((each, i) => [`  a${i}:`, `    actions: [${actions[i]}]`, `    push: ${urlOf(each)}${each.end}`]),
          ...(webhooks.length > 0 ? ['alerting:', '  webhooks:'] : []),
          ...webhooks.map((each) => `    - {url: ${urlOf(each)}}${each.end}`),
        ];
        const { named, led } = await found(lines.join('\n'));
        expect(named).toEqual(led);
      }),
    );
  });

  it.each(readdirSync(join(ROOT, 'policy')).filter((name) => name.endsWith('.yaml')))('are found in %s', async (name) => {
    const named = await namedPorts({ CONTAINMENT_POLICY_PATH: join(ROOT, 'policy', name) });
    expect(named).toEqual(name === 'with-actuators.yaml' ? [8490] : []);
  });

  it('are those of the witness too', async () => {
    expect(await namedPorts({ WITNESS_URL: 'https://witness.example/x' })).toEqual([443]);
  });

  it.each([
    '',
    'rules: [',
    'rules: &a {}\nactuators: *a',
    'actuators: 5',
    'actuators: {a: 5, b: {push: 7}, c: {push: nowhere}}\nalerting: {webhooks: 3}',
    'alerting: [x]',
    '- 1',
  ])('are none in the rubbish %j: that is for the service to refuse', async (text) => {
    using folder = openFolder();
    expect(await namedPorts({ CONTAINMENT_POLICY_PATH: folder.file('policy.yaml', text) })).toEqual([]);
    expect(await namedPorts({ CONTAINMENT_POLICY_PATH: '/not/there' })).toEqual([]);
  });
});

describe('a policy in a sandbox', () => {
  const policy = parsePolicy(
    'p',
    `version: 1\nrules: {}\nactuators: {a: ${AIRLOCK}}\nalerting: {webhooks: [{url: "http://127.0.0.1:9090"}]}`,
  );

  it('is taken when every port is open that it leads to, or none is closed', () => {
    for (const open of [null, [8490, 9090], [1, 8490, 9090]]) expect(() => refuseClosedPorts(policy, open)).not.toThrow();
  });

  it('is refused with restart_required when one is closed, and told which', () => {
    const { code, message } = refusalOf(() => refuseClosedPorts(policy, [8490]));
    expect(code).toBe('restart_required');
    expect(message).toBe(
      'the policy leads to port 9090, which the sandbox of this run keeps closed; it cannot be widened. Restart the service to put the policy in force',
    );
    expect(refusalOf(() => refuseClosedPorts(policy, [])).message).toContain('ports 8490, 9090, which');
  });
});
