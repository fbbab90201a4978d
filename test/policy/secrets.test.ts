// The secrets that a policy names: what is read, and every file that is refused, without a word of what is in it.

import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actuatorsOfEnvironment } from '../../src/policy/environment.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { type SecretsPlace, loadSecrets } from '../../src/policy/secrets.ts';
import { openFolder } from '../support/folder.ts';
import { policyOf } from '../support/policies.ts';
import { refusalOf } from '../support/refusal.ts';

const PUSH = 'push: "http://127.0.0.1:1/x"';
const keyed = (secret = 'a.key') => policyOf(`rules: {}\nactuators: {a: {actions: [freeze_agent], ${PUSH}, secret: ${secret}}}`);
const tokened = (token = 'a.token') => policyOf(`rules: {}\nactuators: {a: {actions: [freeze_agent], ${PUSH}, token: ${token}}}`);
const key = (bytes: number, fill = 7) => Buffer.alloc(bytes, fill);
const whsec = (bytes: Buffer) => `whsec_${bytes.toString('base64')}`;

const at = (dir: string | null, prefix = ''): SecretsPlace => ({ dir, prefix });

/** The policy's secrets with these files, each only its owner's to read. */
function load(policy: Policy, files: Record<string, string>, mode = 0o600) {
  using folder = openFolder();
  for (const [name, text] of Object.entries(files)) chmodSync(folder.file(name, text), mode);
  return loadSecrets(policy, at(folder.path));
}
const refuse = (policy: Policy, files: Record<string, string>, mode = 0o600) => {
  const { code, message } = refusalOf(() => load(policy, files, mode));
  expect(code).toBe('invalid_configuration');
  return message.replace(/^.*\//, '');
};

describe('keys', () => {
  it.each<[string, string, Buffer[]]>([
    ['one', `${whsec(key(24))}\n`, [key(24)]],
    ['one without a line end', whsec(key(64)), [key(64)]],
    ['two, in their order', `${whsec(key(32, 1))}\n${whsec(key(32, 2))}\n`, [key(32, 1), key(32, 2)]],
    ['with line ends of Windows', `${whsec(key(32, 1))}\r\n${whsec(key(32, 2))}\r\n`, [key(32, 1), key(32, 2)]],
  ])('%s', (_, text, keys) => {
    const secrets = load(keyed(), { 'a.key': text });
    expect(secrets.keys('a.key')).toEqual(keys);
    expect(secrets.token('a.key')).toBeNull();
  });

  it('of webhooks too, and each file once', () => {
    const policy = policyOf(
      `rules: {}\nactuators: {a: {actions: [freeze_agent], ${PUSH}, secret: a.key}}\nalerting: {webhooks: [{url: "http://h", secret: a.key}, {url: "http://h", secret: hook.key}]}`,
    );
    const secrets = load(policy, { 'a.key': whsec(key(24)), 'hook.key': whsec(key(25)) });
    expect([secrets.keys('a.key'), secrets.keys('hook.key'), secrets.keys('other')]).toEqual([[key(24)], [key(25)], []]);
  });

  const MALFORMED = 'must be whsec_ and the base64 of 24 to 64 bytes';
  const good = whsec(key(32));
  it.each([
    ['empty', '', `a.key: line 1 ${MALFORMED}`],
    ['blank', '\n\n', `a.key: line 1 ${MALFORMED}`],
    ['only the prefix', 'whsec_', `a.key: line 1 ${MALFORMED}`],
    ['without the prefix', key(32).toString('base64'), `a.key: line 1 ${MALFORMED}`],
    ['with another prefix', good.replace('whsec_', 'whsek_'), `a.key: line 1 ${MALFORMED}`],
    ['too short', whsec(key(23)), `a.key: line 1 ${MALFORMED}`],
    ['too long', whsec(key(65)), `a.key: line 1 ${MALFORMED}`],
    ['without padding', good.replace(/=+$/, ''), `a.key: line 1 ${MALFORMED}`],
    ['in the alphabet of URLs', `whsec_${Buffer.alloc(33, 0xff).toString('base64url')}`, `a.key: line 1 ${MALFORMED}`],
    ['with bits behind the last byte', `whsec_${key(32).toString('base64').replace(/.=$/, 'd=')}`, `a.key: line 1 ${MALFORMED}`],
    ['with a space before it', ` ${good}`, `a.key: line 1 ${MALFORMED}`],
    ['with an empty line first', `\n${good}`, `a.key: line 1 ${MALFORMED}`],
    ['with two on one line', `${good} ${good}`, `a.key: line 1 ${MALFORMED}`],
    ['with a comment', `${good}\n# the old one`, `a.key: line 2 ${MALFORMED}`],
    ['three', `${good}\n${good}\n${good}`, 'a.key: has 3 lines; one or two keys are expected'],
    ['far too big', `${good}\n${'x'.repeat(5000)}`, 'at most 4096 are read'],
    ['not text', '\0', `a.key: line 1 ${MALFORMED}`],
  ])('%s are refused', (_, text, message) => {
    const refusal = refuse(keyed(), { 'a.key': text });
    expect(refusal).toContain(message);
    expect(refusal).not.toContain(key(32).toString('base64').slice(0, 16));
  });

  it('read as they were written, whatever they are, and nothing else is taken for one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), (bytes) => {
        expect(load(keyed(), { 'a.key': whsec(Buffer.from(bytes)) }).keys('a.key')).toEqual([Buffer.from(bytes)]);
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        refuse(keyed(), { 'a.key': `whsec_${text}` });
      }),
      { numRuns: 100 },
    );
  });
});

describe('tokens', () => {
  it.each([
    ['x', 'x'],
    ['abc\n', 'abc'],
    ['  abc \r\n', 'abc'],
    ['!~'.repeat(1000), '!~'.repeat(1000)],
  ])('%j is %j', (text, token) => {
    const secrets = load(tokened(), { 'a.token': text });
    expect(secrets.token('a.token')).toBe(token);
    expect(secrets.keys('a.token')).toEqual([]);
  });

  it.each([
    ['', 'a.token: is empty'],
    [' \n ', 'a.token: is empty'],
    ['secret one', 'a.token: the token must be one line of visible ASCII without spaces'],
    ['secret\nother', 'a.token: the token must be one line of visible ASCII without spaces'],
    ['sécret', 'a.token: the token must be one line of visible ASCII without spaces'],
    ['secret\0', 'a.token: the token must be one line of visible ASCII without spaces'],
    [whsec(key(32)), 'a.token: holds a key that signs, which is never sent as a token'],
  ])('%j is refused', (text, message) => {
    const refusal = refuse(tokened(), { 'a.token': text });
    expect(refusal).toBe(message);
    expect(refusal).not.toContain('secret');
  });
});

describe('a file', () => {
  it('that is named must be there, and so must be its folder', () => {
    expect(refuse(keyed(), {})).toBe('a.key: there is no such file, and the policy names it');
    expect(refuse(tokened(), {})).toBe('a.token: there is no such file, and the policy names it');
    expect(refusalOf(() => loadSecrets(keyed(), at(null))).message).toBe('a.key: is named by the policy, and SECRETS_DIR is not set');
    expect(refusalOf(() => loadSecrets(tokened(), at('/nowhere'))).message).toBe(
      '/nowhere/a.token: there is no such file, and the policy names it',
    );
  });

  it('that everyone may read is refused', () => {
    expect(refuse(keyed(), { 'a.key': whsec(key(32)) }, 0o644)).toBe('a.key: is readable by everyone (mode 644); chmod 600 it');
    expect(refuse(tokened(), { 'a.token': 'x' }, 0o604)).toBe('a.token: is readable by everyone (mode 604); chmod 600 it');
    expect(load(tokened(), { 'a.token': 'x' }, 0o440).token('a.token')).toBe('x');
  });

  it('that is a folder is refused, and one behind a link is read, as systemd makes them', () => {
    using folder = openFolder();
    mkdirSync(join(folder.path, 'a.key'));
    expect(refusalOf(() => loadSecrets(keyed(), at(folder.path))).message).toContain('a.key: is not a regular file');
    chmodSync(folder.file('real', 'x'), 0o400);
    symlinkSync('real', join(folder.path, 'a.token'));
    expect(loadSecrets(tokened(), at(folder.path)).token('a.token')).toBe('x');
  });

  it('is not both a secret and a token', () => {
    const policy = policyOf(`rules: {}\nactuators: {a: {actions: [freeze_agent], ${PUSH}, secret: both, token: both}}`);
    expect(refuse(policy, { both: whsec(key(32)) })).toBe('both: is named as a secret and as a token: a key that signs is never sent');
  });

  it('that nobody names is not asked for', () => {
    const none = loadSecrets(policyOf('rules: {}'), at(null));
    expect([none.keys('a.key'), none.token('a.token')]).toEqual([[], null]);
  });

  it('of an actuator of the environment need not be there, but must be good when it is', () => {
    const policy = parsePolicy('p.yaml', 'version: 1\nrules: {}\n', actuatorsOfEnvironment({ AGENT_URL: 'http://127.0.0.1:8476' }));
    expect(loadSecrets(policy, at(null)).token('agent.token')).toBeNull();
    const secrets = load(policy, { 'agent.token': 'x' });
    expect([secrets.token('agent.token'), secrets.token('vault.token')]).toEqual(['x', null]);
    expect(refuse(policy, { 'vault.token': '' })).toBe('vault.token: is empty');
    expect(refuse(policy, { 'agent.token': 'x' }, 0o644)).toContain('is readable by everyone');
  });
});

it('nothing that prints what was read shows a secret', () => {
  const policy = policyOf(`rules: {}\nactuators: {a: {actions: [freeze_agent], ${PUSH}, secret: a.key, token: a.token}}`);
  const secrets = load(policy, { 'a.key': whsec(key(32)), 'a.token': 'hidden' });
  expect(JSON.stringify(secrets)).toBe('{}');
  expect(JSON.stringify([...policy.actuators.values()])).not.toContain('hidden');
});

describe('what systemd makes of a folder of credentials', () => {
  it('is found by the id that stands before each name, and only by that', () => {
    using folder = openFolder();
    chmodSync(folder.file('secret_a.token', 'x'), 0o600);
    expect(loadSecrets(tokened(), at(folder.path, 'secret_')).token('a.token')).toBe('x');
    expect(refusalOf(() => loadSecrets(tokened(), at(folder.path))).message).toContain('/a.token: there is no such file');
    expect(refusalOf(() => loadSecrets(tokened(), at(folder.path, 'other_'))).message).toContain('/other_a.token: there is no such file');
  });
});
