// Actuators of a policy: what each key says, its defaults, those of the environment, and every refusal with its place.

import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../src/incident/actions.ts';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { type ActuatorEnvironment, actuatorsOfEnvironment } from '../../src/policy/environment.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import { actuatorOf, canVerify } from '../../src/policy/policy.ts';
import { refusalOf } from '../support/refusal.ts';

const PUSH = 'push: "http://127.0.0.1:8490/x"';
/** One actuator `a`, its keys from column 7 of line 4 on. */
const file = (written: string, more = '', rules = '{}') => `version: 1\nrules: ${rules}\nactuators:\n  a: {${written}}\n${more}`;
const parse = (written: string, more = '', rules = '{}') => parsePolicy('p.yaml', file(written, more, rules));
const refuse = (written: string, more = '', rules = '{}') => {
  const { code, message } = refusalOf(() => parse(written, more, rules));
  expect(code).toBe('invalid_configuration');
  return message;
};

describe('an actuator', () => {
  const DEFAULTS = {
    ...{ name: 'a', push: null, dialect: 'standard', secret: null, token: null, token_required: true },
    ...{ deadline_ms: 30_000, verify: null, heartbeat_ms: null },
  };
  const TCP = { over: 'tcp', tls: false, host: '127.0.0.1', port: 8490, path: '/x' };
  it.each<[string, Record<string, unknown>]>([
    [`actions: [freeze_agent], ${PUSH}`, { actions: ['freeze_agent'], push: TCP }],
    ['actions: [block_ip, rate_limit], pull: true', { actions: ['block_ip', 'rate_limit'] }],
    ['actions: [block_ip], pull: true, heartbeat: 30s, deadline: 1m', { actions: ['block_ip'], heartbeat_ms: 30_000, deadline_ms: 60_000 }],
    [
      'actions: [freeze_agent], push: "unix:/run/a.sock:/f", secret: a.key, token: a.token, deadline: 5s, verify: {get: "/s?x=1", expect: {frozen: true, depth: {n: [1]}}, every: 30s}',
      {
        actions: ['freeze_agent'],
        push: { over: 'unix', socket: '/run/a.sock', path: '/f' },
        secret: 'a.key',
        token: 'a.token',
        deadline_ms: 5000,
        verify: { every_ms: 30_000, get: '/s?x=1', expect: { frozen: true, depth: { n: [1] } } },
      },
    ],
    [
      `actions: [block_ip, rate_limit], ${PUSH}, verify: {every: 1m}`,
      { actions: ['block_ip', 'rate_limit'], push: TCP, verify: { every_ms: 60_000, get: null, expect: {} } },
    ],
    [
      `actions: [freeze_agent, disable_airlock, force_vault_relock, quarantine_model], ${PUSH}, dialect: secai, token: a.token`,
      {
        actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock', 'quarantine_model'],
        push: TCP,
        dialect: 'secai',
        token: 'a.token',
      },
    ],
    [
      'actions: [freeze_agent], push: "http://agent.lan:80/x", allow_remote: true, secret: a.key',
      { actions: ['freeze_agent'], push: { ...TCP, host: 'agent.lan', port: 80 }, secret: 'a.key' },
    ],
    [
      'actions: [freeze_agent], push: "https://agent.lan/x", allow_remote: true, token: a.token',
      { actions: ['freeze_agent'], push: { ...TCP, tls: true, host: 'agent.lan', port: 443 }, token: 'a.token' },
    ],
    [`actions: [freeze_agent], ${PUSH}, allow_remote: true, token: a.token`, { actions: ['freeze_agent'], push: TCP, token: 'a.token' }],
    [`actions: [freeze_agent], ${PUSH}, secret: k, token: _`, { actions: ['freeze_agent'], push: TCP, secret: 'k', token: '_' }],
    [`actions: [freeze_agent], ${PUSH}, allow_remote: false`, { actions: ['freeze_agent'], push: TCP }],
  ])('%s', (written, expected) => {
    expect(parse(written).actuators.get('a')).toEqual({ ...DEFAULTS, ...expected });
  });

  it('does its actions and no other; of several each its own, in the order of the file', () => {
    const policy = parse(`actions: [freeze_agent], ${PUSH}`, '  b: {actions: [block_ip], pull: true}\n');
    expect([...policy.actuators.keys()]).toEqual(['a', 'b']);
    expect([actuatorOf(policy, 'freeze_agent')?.name, actuatorOf(policy, 'block_ip')?.name]).toEqual(['a', 'b']);
    expect(actuatorOf(policy, 'disable_airlock')).toBeNull();
    expect(actuatorOf(policy, 'log_alert')).toBeNull();
  });

  it('can be verified when it is asked, or says so itself', () => {
    const can = (written: string) => canVerify(parse(written).actuators.get('a') ?? null);
    expect(can(`actions: [freeze_agent], ${PUSH}`)).toBe(false);
    expect(can('actions: [block_ip], pull: true')).toBe(false);
    expect(can('actions: [block_ip], pull: true, heartbeat: 30s')).toBe(true);
    expect(can(`actions: [block_ip], ${PUSH}, verify: {every: 30s}`)).toBe(true);
  });
});

describe('refused', () => {
  it.each([
    // Actions.
    [PUSH, 'p.yaml:4:3: actuators/a/actions is required'],
    [`actions: [], ${PUSH}`, 'p.yaml:4:7: actuators/a/actions must be at least 1 items'],
    [`actions: [freze_agent], ${PUSH}`, 'p.yaml:4:17: actuators/a/actions/0 must be one of freeze_agent,'],
    [`actions: [freze_agent], ${PUSH}`, '; did you mean "freeze_agent"?'],
    [`actions: [log_alert], ${PUSH}`, 'p.yaml:4:17: actuators/a/actions/0 names log_alert, which the recorder does itself'],
    [`actions: [block_ip, block_ip], ${PUSH}`, 'p.yaml:4:27: actuators/a/actions/1 names block_ip a second time'],
    // Push and pull.
    ['actions: [block_ip]', 'p.yaml:4:3: actuators/a needs push or pull: true'],
    [`actions: [block_ip], ${PUSH}, pull: true`, 'p.yaml:4:61: actuators/a/pull does not go with push: commands are sent, or fetched'],
    ['actions: [block_ip], pull: false', 'p.yaml:4:28: actuators/a/pull must be true'],
    ['actions: [block_ip], pull: yes', 'p.yaml:4:28: actuators/a/pull must be true'],
    ['actions: [block_ip], push: 8490', 'p.yaml:4:28: actuators/a/push must be a string'],
    [
      'actions: [block_ip], push: "http://localhost:8490/x"',
      'p.yaml:4:28: actuators/a/push must be a unix socket or a literal loopback address',
    ],
    [
      'actions: [block_ip], push: "http://10.0.0.1:8490/x"',
      'p.yaml:4:28: actuators/a/push must be a unix socket or a literal loopback address',
    ],
    ['actions: [block_ip], push: "http://10.0.0.1/x", allow_remote: false', 'p.yaml:4:28: actuators/a/push must be a unix socket'],
    ['actions: [block_ip], push: "http://127.1:8490/x", allow_remote: true', 'p.yaml:4:28: actuators/a/push has an address that is none'],
    ['actions: [block_ip], push: "http://a:b@127.0.0.1/x"', 'p.yaml:4:28: actuators/a/push must have no user or password'],
    ['actions: [block_ip], push: "http://127.0.0.1/x?t=1"', 'p.yaml:4:28: actuators/a/push must have no query'],
    ['actions: [block_ip], push: "unix:/a"', 'p.yaml:4:28: actuators/a/push must be unix:, the absolute path'],
    ['actions: [block_ip], push: "http://fw.lan/x", allow_remote: yes', 'actuators/a/allow_remote must be a boolean'],
    [
      'actions: [block_ip], push: "http://fw.lan/x", allow_remote: true, token: a.token',
      'p.yaml:4:73: actuators/a/token would be readable on its way: it needs https',
    ],
    ['actions: [block_ip], pull: true, allow_remote: true', 'p.yaml:4:40: actuators/a/allow_remote goes with push'],
    ['actions: [block_ip], pull: true, secret: a.key', 'p.yaml:4:40: actuators/a/secret goes with push'],
    ['actions: [block_ip], pull: true, token: a.token', 'p.yaml:4:40: actuators/a/token goes with push'],
    ['actions: [block_ip], pull: true, verify: {every: 30s}', 'p.yaml:4:40: actuators/a/verify goes with push'],
    [`actions: [block_ip], ${PUSH}, heartbeat: 30s`, 'p.yaml:4:61: actuators/a/heartbeat goes with pull: true'],
    ['actions: [block_ip], pull: true, heartbeat: 30', 'p.yaml:4:40: actuators/a/heartbeat must be a string'],
    // Dialects.
    [
      `actions: [freeze_agent], ${PUSH}, dialect: sekai`,
      'p.yaml:4:65: actuators/a/dialect must be one of standard, secai; did you mean "secai"?',
    ],
    [`actions: [freeze_agent], ${PUSH}, dialect: secai, secret: a.key`, 'p.yaml:4:81: actuators/a/secret does not go with dialect secai'],
    [
      `actions: [freeze_agent], ${PUSH}, dialect: secai, verify: {every: 3s}`,
      'p.yaml:4:81: actuators/a/verify does not go with dialect secai',
    ],
    ['actions: [freeze_agent], pull: true, dialect: secai', 'p.yaml:4:44: actuators/a/dialect is secai, which is only ever pushed'],
    [
      `actions: [freeze_agent, block_ip], ${PUSH}, dialect: secai`,
      'p.yaml:4:31: actuators/a/actions/1 names block_ip, for which dialect secai has no word',
    ],
    // Secrets.
    [`actions: [block_ip], ${PUSH}, secret: /etc/key`, 'p.yaml:4:61: actuators/a/secret must be one bare file name in SECRETS_DIR'],
    [`actions: [block_ip], ${PUSH}, secret: ../key`, 'p.yaml:4:61: actuators/a/secret must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, secret: a/b`, 'p.yaml:4:61: actuators/a/secret must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, secret: ..`, 'p.yaml:4:61: actuators/a/secret must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, token: ""`, 'p.yaml:4:61: actuators/a/token must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, token: "a\\0b"`, 'p.yaml:4:61: actuators/a/token must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, token: whsec_dGVzdA==`, 'p.yaml:4:61: actuators/a/token must be one bare file name'],
    [`actions: [block_ip], ${PUSH}, secrt: a.key`, 'p.yaml:4:61: actuators/a/secrt is not a known key; did you mean "secret"?'],
    // Times and verification.
    [`actions: [block_ip], ${PUSH}, deadline: 30`, 'p.yaml:4:61: actuators/a/deadline must be a string'],
    [`actions: [block_ip], ${PUSH}, deadline: soon`, 'p.yaml:4:61: actuators/a/deadline must be a duration such as 30s, 5m or 4h'],
    [`actions: [block_ip], ${PUSH}, verify: {}`, 'p.yaml:4:61: actuators/a/verify/every is required'],
    [`actions: [block_ip], ${PUSH}, verify: 30s`, 'p.yaml:4:61: actuators/a/verify must be an object'],
    [
      `actions: [freeze_agent], ${PUSH}, verify: {get: /s, every: 3s}`,
      'p.yaml:4:74: actuators/a/verify/get needs expect: an answer alone says nothing',
    ],
    [`actions: [freeze_agent], ${PUSH}, verify: {expect: {a: 1}, every: 3s}`, 'p.yaml:4:74: actuators/a/verify/expect goes with get'],
    [
      `actions: [freeze_agent], ${PUSH}, verify: {get: /s, expect: {}, every: 3s}`,
      'actuators/a/verify/expect must name at least one field',
    ],
    [`actions: [freeze_agent], ${PUSH}, verify: {get: /s, expect: true, every: 3s}`, 'actuators/a/verify/expect must be a mapping'],
    [`actions: [freeze_agent], ${PUSH}, verify: {get: /s, expect: {n: .inf}, every: 3s}`, 'actuators/a/verify/expect must be plain data'],
    [
      `actions: [freeze_agent], ${PUSH}, verify: {get: "http://h/s", expect: {a: 1}, every: 3s}`,
      'actuators/a/verify/get must be a path such as /api/v1/state',
    ],
    [`actions: [freeze_agent], ${PUSH}, verify: {get: "/s#x", expect: {a: 1}, every: 3s}`, 'actuators/a/verify/get must be a path'],
    [
      `actions: [freeze_agent], ${PUSH}, verify: {get: /s, expct: {a: 1}, every: 3s}`,
      'actuators/a/verify/expct is not a known key; did you mean "expect"?',
    ],
    [
      `actions: [block_ip], ${PUSH}, verify: {get: /s, expect: {a: 1}, every: 3s}`,
      'p.yaml:4:70: actuators/a/verify/get is one answer for every ip; leave get out',
    ],
    [
      `actions: [rate_limit], ${PUSH}, verify: {get: /s, expect: {a: 1}, every: 3s}`,
      'actuators/a/verify/get is one answer for every ip, user, session',
    ],
    [
      `actions: [quarantine_model], ${PUSH}, verify: {get: /s, expect: {a: 1}, every: 3s}`,
      'actuators/a/verify/get is one answer for every model',
    ],
    [
      `actions: [freeze_agent, force_vault_relock], ${PUSH}, verify: {get: /s, expect: {a: 1}, every: 3s}`,
      'p.yaml:4:94: actuators/a/verify/get is one answer for freeze_agent and force_vault_relock; leave get out',
    ],
  ])('%s: %s', (written, message) => {
    expect(refuse(written)).toContain(message);
  });

  it('an action that two would do, with the name of the other', () => {
    expect(refuse(`actions: [freeze_agent], ${PUSH}`, '  b: {actions: [block_ip, freeze_agent], pull: true}\n')).toBe(
      'p.yaml:5:27: actuators/b/actions/1 names freeze_agent, which a does already',
    );
  });

  it.each(['A', '1a', 'a b', 'a.b', 'a/b', '', `a${'b'.repeat(64)}`])('the name %j', (name) => {
    const text = `version: 1\nrules: {}\nactuators: {${JSON.stringify(name)}: {actions: [block_ip], pull: true}}\n`;
    expect(refusalOf(() => parsePolicy('p.yaml', text)).message).toContain('must be lower-case letters, digits, _ and - (at most 64)');
  });

  it('an empty or wrong block, and more than 32', () => {
    const top = (more: string) => refusalOf(() => parsePolicy('p.yaml', `version: 1\nrules: {}\n${more}\n`)).message;
    expect(top('actuators: [agent]')).toBe('p.yaml:3:1: actuators must be a mapping');
    expect(top('actuators: {a: agent}')).toBe('p.yaml:3:13: actuators/a must be an object');
    expect(top(`actuators: {${Array.from({ length: 33 }, (_, i) => `a${i}: {actions: [block_ip], pull: true}`).join(', ')}}`)).toBe(
      'p.yaml:3:1: actuators must be at most 32',
    );
  });

  const GET = 'verify: {get: /s, expect: {frozen: true}, every: 3s}';
  it('one GET for an action that a rule wants for one agent', () => {
    const rules = '{prompt_injection: {actions: [{action: freeze_agent, target: subject}]}}';
    expect(refuse(`actions: [freeze_agent], ${PUSH}, ${GET}`, '', rules)).toContain(
      'p.yaml:4:74: actuators/a/verify/get is one answer for every agent',
    );
    expect(parse(`actions: [freeze_agent], ${PUSH}, verify: {every: 3s}`, '', rules).actuators.size).toBe(1);
    expect(parse(`actions: [freeze_agent], ${PUSH}, ${GET}`, '', '{prompt_injection: {actions: [freeze_agent]}}').actuators.size).toBe(1);
  });

  it('dialect secai for an action that a rule wants for one agent; a model it can tell', () => {
    const rule = (action: string) => `{prompt_injection: {actions: [log_alert, {action: ${action}, target: subject}]}}`;
    expect(refuse(`actions: [freeze_agent], ${PUSH}, dialect: secai`, '', rule('freeze_agent'))).toBe(
      'p.yaml:2:72: rules/prompt_injection/actions/1/target names one target of freeze_agent, and actuator a speaks secai, in which it is done to all there is',
    );
    expect(parse(`actions: [quarantine_model], ${PUSH}, dialect: secai`, '', rule('quarantine_model')).actuators.size).toBe(1);
  });

  it('contained_when: verified where nobody could say so', () => {
    const more = 'contained_when: verified\n';
    const why = 'has neither verify nor heartbeat, and contained_when is verified: nothing it does would ever count';
    expect(refuse(`actions: [freeze_agent], ${PUSH}`, more)).toBe(`p.yaml:4:3: actuators/a ${why}`);
    expect(refuse('actions: [block_ip], pull: true', more)).toBe(`p.yaml:4:3: actuators/a ${why}`);
    expect(refuse(`actions: [freeze_agent], ${PUSH}, dialect: secai`, more)).toBe(`p.yaml:4:3: actuators/a ${why}`);
    expect(parse('actions: [block_ip], pull: true, heartbeat: 30s', more).contained_when).toBe('verified');
    expect(parse(`actions: [freeze_agent], ${PUSH}, ${GET}`, more).contained_when).toBe('verified');
  });
});

describe('the environment', () => {
  const SECAI = {
    ...{ dialect: 'secai', secret: null, token_required: false, deadline_ms: 30_000, verify: null, heartbeat_ms: null },
  };
  const tcp = (port: number, path: string) => ({ over: 'tcp', tls: false, host: '127.0.0.1', port, path });
  const AGENT = { ...SECAI, name: 'agent', actions: ['freeze_agent'], token: 'agent.token' };
  const VAULT = { ...SECAI, name: 'vault', actions: ['force_vault_relock'], push: tcp(8476, '/api/v1/vault/relock'), token: 'vault.token' };

  it.each<[ActuatorEnvironment, unknown[]]>([
    [{}, []],
    [{ AGENT_SOCKET: '', AGENT_URL: '', AIRLOCK_URL: '', REGISTRY_URL: '' }, []],
    [{ AGENT_SOCKET: null, AIRLOCK_URL: undefined }, []],
    [
      { AGENT_SOCKET: '/run/secure-ai/agent/agent.sock' },
      [{ ...AGENT, push: { over: 'unix', socket: '/run/secure-ai/agent/agent.sock', path: '/api/v1/freeze' } }],
    ],
    [{ AGENT_URL: 'http://127.0.0.1:8476' }, [{ ...AGENT, push: tcp(8476, '/api/v1/freeze') }, VAULT]],
    [{ AGENT_URL: 'http://127.0.0.1:8476/' }, [{ ...AGENT, push: tcp(8476, '/api/v1/freeze') }, VAULT]],
    [
      { AGENT_SOCKET: '/a.sock', AGENT_URL: 'http://127.0.0.1:8476' },
      [{ ...AGENT, push: { over: 'unix', socket: '/a.sock', path: '/api/v1/freeze' } }, VAULT],
    ],
    [
      { AIRLOCK_URL: 'http://127.0.0.1:8490' },
      [{ ...SECAI, name: 'airlock', actions: ['disable_airlock'], push: tcp(8490, '/api/v1/disable'), token: 'airlock.token' }],
    ],
    [
      { REGISTRY_URL: 'https://[::1]:8470/base/' },
      [
        {
          ...SECAI,
          name: 'registry',
          actions: ['quarantine_model'],
          push: { over: 'tcp', tls: true, host: '::1', port: 8470, path: '/base/api/v1/quarantine' },
          token: 'registry.token',
        },
      ],
    ],
  ])('%j', (env, expected) => {
    expect(actuatorsOfEnvironment(env)).toEqual(expected);
  });

  it('names what the first four actions need, each with a word of the dialect', () => {
    const all = actuatorsOfEnvironment({
      AGENT_URL: 'http://127.0.0.1:1',
      AIRLOCK_URL: 'http://127.0.0.1:2',
      REGISTRY_URL: 'http://127.0.0.1:3',
    });
    expect(all.flatMap(({ actions }) => actions).map((action) => ACTIONS[action].secai)).toEqual([
      'freeze',
      'relock',
      'disable',
      'quarantine',
    ]);
  });

  const URL_FAULT =
    'must be a base URL on a literal loopback address, such as http://127.0.0.1:8476; an actuator elsewhere is named in the policy, with allow_remote';
  const SOCKET_FAULT = 'must be the absolute path of a unix socket, in at most 107 visible ASCII characters and without :/';
  it.each<[ActuatorEnvironment, string]>([
    [{ AGENT_SOCKET: 'agent.sock' }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_SOCKET: 'unix:/agent.sock' }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_SOCKET: '/a:/b' }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_SOCKET: '/a?b' }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_SOCKET: '/a b' }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_SOCKET: `/${'a'.repeat(107)}` }, `AGENT_SOCKET ${SOCKET_FAULT}`],
    [{ AGENT_URL: '127.0.0.1:8476' }, `AGENT_URL ${URL_FAULT}`],
    [{ AGENT_URL: 'http://localhost:8476' }, `AGENT_URL ${URL_FAULT}`],
    [{ AGENT_URL: 'http://127.0.0.1:8476/?a' }, `AGENT_URL ${URL_FAULT}`],
    [{ AGENT_SOCKET: '/a', AGENT_URL: 'nonsense' }, `AGENT_URL ${URL_FAULT}`],
    [{ AIRLOCK_URL: 'http://10.0.0.1:8490' }, `AIRLOCK_URL ${URL_FAULT}`],
    [{ AIRLOCK_URL: 'ftp://127.0.0.1', REGISTRY_URL: 'http://127.1' }, `AIRLOCK_URL ${URL_FAULT}; REGISTRY_URL ${URL_FAULT}`],
  ])('%j: %s', (env, message) => {
    const refusal = refusalOf(() => actuatorsOfEnvironment(env));
    expect([refusal.code, refusal.message]).toEqual(['invalid_configuration', message]);
  });

  describe('is used', () => {
    const env = actuatorsOfEnvironment({ AGENT_URL: 'http://127.0.0.1:8476' });

    it('when the policy names no actuator, or there is none', () => {
      expect([...builtInPolicy(env).actuators.keys()]).toEqual(['agent', 'vault']);
      expect([...parsePolicy('p.yaml', 'version: 1\nrules: {}\n', env).actuators.keys()]).toEqual(['agent', 'vault']);
      expect([...parsePolicy('p.yaml', 'version: 1\nrules: {}\nactuators: {}\n', env).actuators.keys()]).toEqual(['agent', 'vault']);
      expect(builtInPolicy(env).sha256).toBe(builtInPolicy().sha256);
    });

    it('not beside those that the policy names', () => {
      expect([...parsePolicy('p.yaml', file('actions: [block_ip], pull: true'), env).actuators.keys()]).toEqual(['a']);
    });

    it('not with a policy that asks for what it cannot do', () => {
      const message = (text: string) => refusalOf(() => parsePolicy('p.yaml', text, env)).message;
      expect(message('version: 1\nrules: {}\ncontained_when: verified\n')).toBe(
        'p.yaml:3:1: contained_when is verified, and actuator agent of the environment has neither verify nor heartbeat',
      );
      expect(message('version: 1\nrules:\n  prompt_injection:\n    actions:\n      - {action: freeze_agent, target: subject}\n')).toBe(
        'p.yaml:5:32: rules/prompt_injection/actions/0/target names one target of freeze_agent, and actuator agent speaks secai, in which it is done to all there is',
      );
    });
  });
});
