// What we ship as an example is taken by the checks, and means what its words and the README say.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ACTIONS, ACTION_NAMES } from '../../src/incident/actions.ts';
import { CLASSES } from '../../src/incident/vocabulary.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { loadPolicy, parsePolicy } from '../../src/policy/load.ts';
import { actuatorOf } from '../../src/policy/policy.ts';
import { PolicyFile } from '../../src/policy/schema.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'policy/README.md'), 'utf8');
const EXAMPLE = join(ROOT, 'policy/with-actuators.yaml');
const example = loadPolicy(EXAMPLE);
if (!example) throw new Error('the example is missing');

describe('the example with actuators', () => {
  it('has the nine classes, each with at least what the built-in table does', () => {
    expect([...example.rules.keys()].toSorted()).toEqual(CLASSES.toSorted());
    for (const [name, { auto_contain, default_severity, actions }] of builtInPolicy().rules) {
      const rule = example.rules.get(name);
      expect(rule).toMatchObject({ auto_contain, default_severity });
      const plain = rule?.actions.filter((each) => each.if === null).map(({ action }) => action);
      expect(plain).toEqual(actions.map(({ action }) => action));
    }
  });

  it('has an agent on a socket, an airlock over TCP and a firewall that fetches', () => {
    expect(actuatorOf(example, 'freeze_agent')).toMatchObject({
      ...{
        name: 'agent',
        dialect: 'standard',
        secret: 'agent.key',
        push: { over: 'unix' },
        verify: { get: '/api/v1/state', expect: { frozen: true } },
      },
    });
    expect(actuatorOf(example, 'disable_airlock')).toMatchObject({
      name: 'airlock',
      dialect: 'secai',
      token: 'airlock.token',
      push: { over: 'tcp', port: 8490 },
    });
    expect(actuatorOf(example, 'block_ip')).toMatchObject({ name: 'firewall', push: null, heartbeat_ms: 30_000 });
    expect(actuatorOf(example, 'rate_limit')?.name).toBe('firewall');
  });

  it('holds back what must be shown to be well again', () => {
    const gated = [...example.rules].flatMap(([name, { gate }]) => (gate.length > 0 ? [`${name}: ${gate.join(', ')}`] : []));
    expect(gated).toEqual([
      'attestation_failure: acknowledged, attested',
      'integrity_violation: acknowledged, attested',
      'unauthorized_access: acknowledged',
    ]);
  });

  it('is taken with other ports and sockets, and with what it has commented out', () => {
    const text = readFileSync(EXAMPLE, 'utf8');
    const moved = text.replace('8490', '18490').replace('/run/secure-ai/agent/agent.sock', '/tmp/x/agent.sock');
    expect(parsePolicy('p.yaml', moved).actuators.get('airlock')?.push).toMatchObject({ port: 18_490 });
    const [head = '', alerting = ''] = text.split(/(?=# alerting:\n)/);
    const whole = parsePolicy('p.yaml', head + alerting.replaceAll(/^# /gm, ''));
    expect(whole.webhooks).toMatchObject([
      { format: 'original', secret: 'alerts.key' },
      { format: 'slack', secret: null },
    ]);
  });
});

describe('the README', () => {
  const blocks = [...README.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);

  it('shows a policy that is taken', () => {
    expect(blocks).toHaveLength(1);
    for (const text of blocks) expect(parsePolicy('README', text).rules.size).toBeGreaterThan(0);
  });

  it('tells of every key on top of the file', () => {
    for (const key of Object.keys(PolicyFile.shape)) expect(blocks[0]).toMatch(new RegExp(`^${key}:`, 'm'));
  });

  it('has a row for each action, with its targets, its opposite and its parameters', () => {
    const rows = new Map([...README.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name = '', rest = '']) => [name, rest]));
    for (const name of ACTION_NAMES) {
      const { targets, release, params } = ACTIONS[name];
      const row = rows.get(name) ?? '';
      expect(row.startsWith(`${targets.join(', ')} |`), name).toBe(true);
      expect(row).toMatch(release === null ? /\| (by hand|–) \|/ : new RegExp(`\\| ${release} \\|`));
      for (const param of Object.keys(params)) expect(row).toContain(`\`${param}\``);
    }
  });
});
