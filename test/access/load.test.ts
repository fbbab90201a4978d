// Tokens from files: what a good file gives, and that a file which is set but not good is never an open door.

import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createKeyring } from '../../src/access/keyring.ts';
import { isToken, loadTokens } from '../../src/access/load.ts';
import { type Folder, openFolder } from '../support/folder.ts';
import { refusalOf } from '../support/refusal.ts';

const SECRET = 'a'.repeat(31) + 'b';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const HASH = sha256('x'.repeat(32));

const service = (path: string) => loadTokens({ service: path, tokens: null });
const named = (path: string) => loadTokens({ service: null, tokens: path });
const entries = (...lines: string[]) => `version: 1\ntokens:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
const load = (folder: Folder, ...lines: string[]) => named(folder.file('tokens.yaml', entries(...lines)));

/** Why a file is refused; the message begins with its name. */
function reason(path: string, run: (path: string) => unknown): string {
  const { code, message } = refusalOf(() => run(path));
  expect(code).toBe('invalid_configuration');
  expect(message.startsWith(path), message).toBe(true);
  return message.slice(path.length + 1).trim();
}

describe('the service token', () => {
  it('is one token with every role, bound to nothing, and kept as its hash only', () => {
    using folder = openFolder();
    for (const written of [SECRET, `${SECRET}\n`, ` ${SECRET}\r\n\n`, `\ufeff${SECRET}`]) {
      const tokens = service(folder.file('token', written));
      expect(tokens).toEqual([
        {
          name: 'service',
          role: 'service',
          sha256: Buffer.from(sha256(SECRET), 'hex'),
          sources: null,
          classes: null,
          actuator: null,
          rate: null,
        },
      ]);
      expect(createKeyring(tokens).find(SECRET)?.name).toBe('service');
    }
  });

  it.each([
    ['empty', '', 'is empty'],
    ['only blanks', ' \n\t\n', 'is empty'],
    ['shorter than 32 characters', 'a'.repeat(31), 'the token is 31 characters long; at least 32 are needed'],
    ['short but for its blanks', `${' '.repeat(30)}aa${'\n'.repeat(30)}`, 'the token is 2 characters long; at least 32 are needed'],
    ['two lines', `${SECRET}\n${SECRET}\n`, 'the token must be one line of visible ASCII without spaces'],
    ['with a space inside', `${SECRET} x`, 'the token must be one line of visible ASCII without spaces'],
    ['not ASCII', `${SECRET}é`, 'the token must be one line of visible ASCII without spaces'],
    ['with a control character', `${SECRET}\u0007`, 'the token must be one line of visible ASCII without spaces'],
    ['with NUL', `${SECRET}\0${SECRET}`, 'the token must be one line of visible ASCII without spaces'],
    ['larger than a token can be', 'a'.repeat(4097), 'is 4097 bytes; at most 4096 are read'],
    ['not UTF-8', Buffer.from([...Buffer.from(SECRET), 0xff]), 'is not UTF-8 text'],
  ])('is refused when its file is %s', (_, written, why) => {
    using folder = openFolder();
    expect(reason(folder.file('token', written), service)).toBe(why);
  });

  it('is refused when it is missing, a folder, or a pipe that nobody writes to', () => {
    using folder = openFolder();
    expect(reason(join(folder.path, 'none'), service)).toBe('there is no such file');
    mkdirSync(join(folder.path, 'folder'));
    expect(reason(join(folder.path, 'folder'), service)).toBe('is not a regular file');
    execFileSync('mkfifo', ['-m', '600', join(folder.path, 'pipe')]);
    expect(reason(join(folder.path, 'pipe'), service)).toBe('is not a regular file');
  });

  it.each([0o604, 0o644, 0o666])('is refused when everyone may read it: mode %o', (mode) => {
    using folder = openFolder();
    expect(reason(folder.file('token', SECRET, mode), service)).toBe(`is readable by everyone (mode ${mode.toString(8)}); chmod 600 it`);
  });

  it.each([0o600, 0o640, 0o400, 0o440])('is taken with the mode %o', (mode) => {
    using folder = openFolder();
    expect(service(folder.file('token', SECRET, mode))).toHaveLength(1);
  });

  it('is never in the message of a refusal', () => {
    using folder = openFolder();
    for (const written of ['tiny-secret', `${SECRET} ${SECRET}`, `${SECRET}é`]) {
      expect(refusalOf(() => service(folder.file('token', written))).message).not.toContain(written.slice(0, 8));
    }
  });
});

describe('named tokens', () => {
  it('have a role each, and what a role needs', () => {
    using folder = openFolder();
    const tokens = load(
      folder,
      `{name: attestor-1, role: reporter, sha256: ${HASH}, sources: [runtime-attestor], classes: [attestation_failure, tool_call_burst]}`,
      `{name: any, role: reporter, sha256: ${sha256('1')}, sources: ["*"], classes: ["*", x]}`,
      `{name: fast, role: reporter, sha256: ${sha256('2')}, sources: [s], classes: ["*"], rate: 7/s}`,
      `{name: even.Faster_2, role: reporter, sha256: ${sha256('3')}, sources: [s], classes: ["*"], rate: 100/s, burst: 3}`,
      `{name: dashboard, role: reader, sha256: ${sha256('4')}}`,
      `{name: alice, role: operator, sha256: ${sha256('5')}, rate: 1/s}`,
      `{name: root, role: admin, sha256: ${sha256('6')}}`,
    );
    const told = tokens.map(({ name, role, sources, classes, rate }) => ({
      name,
      role,
      sources,
      classes,
      rate: rate && `${rate.per_second} ${rate.burst}`,
    }));
    expect(told).toEqual([
      {
        name: 'attestor-1',
        role: 'reporter',
        sources: ['runtime-attestor'],
        classes: ['attestation_failure', 'tool_call_burst'],
        rate: '50 500',
      },
      { name: 'any', role: 'reporter', sources: null, classes: null, rate: '50 500' },
      { name: 'fast', role: 'reporter', sources: ['s'], classes: null, rate: '7 70' },
      { name: 'even.Faster_2', role: 'reporter', sources: ['s'], classes: null, rate: '100 3' },
      { name: 'dashboard', role: 'reader', sources: null, classes: null, rate: null },
      { name: 'alice', role: 'operator', sources: null, classes: null, rate: '1 10' },
      { name: 'root', role: 'admin', sources: null, classes: null, rate: null },
    ]);
    expect(createKeyring(tokens).find('x'.repeat(32))?.name).toBe('attestor-1');
  });

  it('of an actuator are bound to that one, and have no rate unless one is given', () => {
    using folder = openFolder();
    const tokens = load(
      folder,
      `{name: agent-1, role: actuator, sha256: ${HASH}, actuator: agent}`,
      `{name: fire, role: actuator, sha256: ${sha256('1')}, actuator: fire_wall-2, rate: 5/s}`,
      `{name: alice, role: operator, sha256: ${sha256('2')}}`,
    );
    expect(tokens.map(({ name, role, actuator, sources, classes, rate }) => [name, role, actuator, sources, classes, rate])).toEqual([
      ['agent-1', 'actuator', 'agent', null, null, null],
      ['fire', 'actuator', 'fire_wall-2', null, null, { per_second: 5, burst: 50 }],
      ['alice', 'operator', null, null, null, null],
    ]);
  });

  it('of an actuator may be named after one that no policy names: that is asked when they are used', () => {
    using folder = openFolder();
    expect(load(folder, `{name: a, role: actuator, sha256: ${HASH}, actuator: ${'x'.repeat(64)}}`)).toHaveLength(1);
  });

  const BOUND = 'sources: [s], classes: [c]';
  const good = `{name: a, role: reporter, sha256: ${HASH}, ${BOUND}}`;

  it.each([
    [
      'a role that nobody has',
      `{name: b, role: reportr, sha256: ${HASH}, ${BOUND}}`,
      '3:15: tokens/0/role must be one of reporter, reader, operator, admin, actuator; did you mean "reporter"?',
    ],
    ['the role of the service token', `{name: b, role: service, sha256: ${HASH}}`, '3:15: tokens/0/role must be one of'],
    ['no role', `{name: b, sha256: ${HASH}}`, '3:5: tokens/0/role must be one of'],
    ['no name', `{role: reader, sha256: ${HASH}}`, '3:5: tokens/0/name is required'],
    ['no hash', '{name: b, role: reader}', '3:5: tokens/0/sha256 is required'],
    ['the token itself', `{name: b, role: reader, token: ${SECRET}}`, '3:29: tokens/0/token is not a known key'],
    ['an unknown key', `{name: b, role: reader, sha265: ${HASH}}`, '3:29: tokens/0/sha265 is not a known key; did you mean "sha256"?'],
    [
      'a hash that is cut short',
      `{name: b, role: reader, sha256: ${HASH.slice(1)}}`,
      '3:29: tokens/0/sha256 must be the SHA-256 of the token in 64 lower-case hex digits',
    ],
    ['a hash in capitals', `{name: b, role: reader, sha256: ${HASH.toUpperCase()}A}`, '3:29: tokens/0/sha256 must be the SHA-256'],
    [
      'a name with a blank',
      `{name: "b c", role: reader, sha256: ${HASH}}`,
      '3:6: tokens/0/name must be letters, digits and . _ - (at most 64)',
    ],
    ['a name with a colon', `{name: "b:c", role: reader, sha256: ${HASH}}`, '3:6: tokens/0/name must be letters'],
    ['a name that turns the line', `{name: "b\\u202ec", role: reader, sha256: ${HASH}}`, '3:6: tokens/0/name must be letters'],
    ['a name of 65 letters', `{name: ${'b'.repeat(65)}, role: reader, sha256: ${HASH}}`, '3:6: tokens/0/name must be letters'],
    [
      'the name of the service token',
      `{name: service, role: reader, sha256: ${HASH}}`,
      '3:6: tokens/0/name is "service", the name of the token in SERVICE_TOKEN_PATH',
    ],
    [
      'a reporter without sources',
      `{name: b, role: reporter, sha256: ${HASH}, classes: [c]}`,
      '3:15: tokens/0/role is reporter, which needs sources and classes; ["*"] is any',
    ],
    [
      'a reporter without classes',
      `{name: b, role: reporter, sha256: ${HASH}, sources: [s]}`,
      '3:15: tokens/0/role is reporter, which needs sources and classes',
    ],
    [
      'a reporter with empty sources',
      `{name: b, role: reporter, sha256: ${HASH}, sources: [], classes: [c]}`,
      'tokens/0/sources must be at least 1 items',
    ],
    [
      'our own source',
      `{name: b, role: reporter, sha256: ${HASH}, sources: [s, incident-recorder], classes: [c]}`,
      'tokens/0/sources holds incident-recorder, which only the recorder itself may report',
    ],
    [
      'our own source with blanks',
      `{name: b, role: reporter, sha256: ${HASH}, sources: [" incident-recorder "], classes: [c]}`,
      'tokens/0/sources holds incident-recorder',
    ],
    [
      'a reader with sources',
      `{name: b, role: reader, sha256: ${HASH}, sources: [s]}`,
      '3:15: tokens/0/role is reader, which reports nothing: sources and classes go with reporter',
    ],
    [
      'an operator with classes',
      `{name: b, role: operator, sha256: ${HASH}, classes: [c]}`,
      'tokens/0/role is operator, which reports nothing',
    ],
    [
      'a source that turns the line',
      `{name: b, role: reporter, sha256: ${HASH}, sources: ["s\\u202e"], classes: [c]}`,
      'tokens/0/sources/0 holds control or bidirectional characters',
    ],
    [
      'an actuator without its name',
      `{name: b, role: actuator, sha256: ${HASH}}`,
      '3:15: tokens/0/role is actuator, which needs actuator: the name of the one that it acts for',
    ],
    [
      'an operator with an actuator',
      `{name: b, role: operator, sha256: ${HASH}, actuator: agent}`,
      'tokens/0/actuator goes with the role actuator, not with operator',
    ],
    [
      'a reporter with an actuator',
      `{name: b, role: reporter, sha256: ${HASH}, sources: [s], classes: [c], actuator: agent}`,
      'tokens/0/actuator goes with the role actuator, not with reporter',
    ],
    [
      'an actuator with sources',
      `{name: b, role: actuator, sha256: ${HASH}, actuator: agent, sources: [s]}`,
      '3:15: tokens/0/role is actuator, which reports nothing: sources and classes go with reporter',
    ],
    [
      'an actuator with classes',
      `{name: b, role: actuator, sha256: ${HASH}, actuator: agent, classes: [c]}`,
      'tokens/0/role is actuator, which reports nothing',
    ],
    ...['Agent', '1agent', 'a b', 'a.b', '""', 'a/b', '"*"', 'x'.repeat(65)].map((name) => [
      `an actuator called ${name}`,
      `{name: b, role: actuator, sha256: ${HASH}, actuator: ${name}}`,
      'tokens/0/actuator must be a lower-case letter, then letters, digits, _ and - (at most 64)',
    ]),
    ['two actuators', `{name: b, role: actuator, sha256: ${HASH}, actuator: [a, b]}`, 'tokens/0/actuator must be a string'],
    ['a rate by the minute', `{name: b, role: reader, sha256: ${HASH}, rate: 5/m}`, 'tokens/0/rate must be a rate such as 50/s'],
    ['no rate at all', `{name: b, role: reader, sha256: ${HASH}, rate: 0/s}`, 'tokens/0/rate must be a rate such as 50/s'],
    ['a rate that is a number', `{name: b, role: reader, sha256: ${HASH}, rate: 50}`, 'tokens/0/rate must be a string'],
    ['a burst without a rate', `{name: b, role: reader, sha256: ${HASH}, burst: 5}`, 'tokens/0/burst goes with rate'],
    ['a burst of none', `{name: b, role: reader, sha256: ${HASH}, rate: 5/s, burst: 0}`, 'tokens/0/burst must be at least 1'],
  ])('are refused for %s, with line and column', (_, entry, why) => {
    using folder = openFolder();
    const told = reason(folder.file('tokens.yaml', entries(entry)), named);
    expect(told).toContain(why);
    expect(told).toMatch(/^\d+:\d+: /);
    expect(told).not.toContain(SECRET);
  });

  it('are refused for the second of two names, and of two hashes', () => {
    using folder = openFolder();
    const file = (second: string) => folder.file('tokens.yaml', entries(good, second));
    expect(reason(file(`{name: a, role: reader, sha256: ${sha256('2')}}`), named)).toBe('4:6: tokens/1/name stands a second time');
    expect(reason(file(`{name: b, role: reader, sha256: ${HASH}}`), named)).toBe(
      '4:29: tokens/1/sha256 is that of another entry: one token has one name',
    );
  });

  it('are refused for the hash of the service token: one token has one name', () => {
    using folder = openFolder();
    const tokens = folder.file('tokens.yaml', entries(good, `{name: b, role: reader, sha256: ${sha256(SECRET)}}`));
    const paths = { tokens, service: folder.file('token', SECRET) };
    expect(reason(tokens, () => loadTokens(paths))).toBe('4:29: tokens/1/sha256 is that of the token in SERVICE_TOKEN_PATH');
  });

  it.each([
    ['empty', '', 'is empty'],
    ['only a comment', '# none yet\n', '1:1: the file is empty'],
    ['without tokens', 'version: 1\n', '1:1: tokens is required'],
    ['an empty list', 'version: 1\ntokens: []\n', '2:1: tokens must be at least 1 items'],
    ['another version', `version: 2\ntokens:\n  - ${good}\n`, '1:1: version must be 1'],
    ['a list', `- ${good}\n`, '1:1: the file must be an object'],
    ['with an anchor', `version: 1\ntokens: &t\n  - ${good}\n`, '3:3: the file uses an anchor or alias'],
    ['with a key twice', `version: 1\ntokens:\n  - {name: a, name: b}\n`, '3:15: the file has a key that stands a second time'],
    ['JSON with a trailing brace', '{"version": 1, "tokens": []}}', '1:29: the file'],
  ])('are refused when the file is %s', (_, written, why) => {
    using folder = openFolder();
    expect(reason(folder.file('tokens.yaml', written), named)).toContain(why);
  });

  it('are refused when there are more than 256, and taken when there are as many', () => {
    using folder = openFolder();
    const some = (count: number) =>
      Array.from({ length: count }, (_, i) => `{name: t${i}, role: reporter, sha256: ${sha256(String(i))}, ${BOUND}, rate: 9/s}`);
    expect(load(folder, ...some(256))).toHaveLength(256);
    expect(reason(folder.file('tokens.yaml', entries(...some(257))), named)).toBe('2:1: tokens must be at most 256 items');
  });

  it.each(['sources', 'classes'])('may be bound to 64 %s of 128 characters each, and no more', (key) => {
    using folder = openFolder();
    const other = key === 'sources' ? 'classes: ["*"]' : 'sources: ["*"]';
    const bound = (words: string[]) => `{name: a, role: reporter, sha256: ${HASH}, ${key}: [${words.join(', ')}], ${other}}`;
    const words = (count: number) => Array.from({ length: count }, (_, i) => `w${i}`);
    expect(load(folder, bound([...words(63), 'x'.repeat(128)]))[0]?.[key as 'sources']).toHaveLength(64);
    expect(reason(folder.file('t', entries(bound(words(65)))), named)).toContain(`tokens/0/${key} must be at most 64 items`);
    expect(reason(folder.file('t', entries(bound(['x'.repeat(129)]))), named)).toContain(
      `tokens/0/${key}/0 must be at most 128 characters`,
    );
  });

  it('are refused when the file is larger than 256 KiB', () => {
    using folder = openFolder();
    const padded = (size: number) => entries(good).padEnd(size, '#');
    expect(named(folder.file('t', padded(262_144)))).toHaveLength(1);
    expect(reason(folder.file('t', padded(262_145)), named)).toBe('is 262145 bytes; at most 262144 are read');
  });

  it('are refused when everyone may read the file, though it holds only hashes', () => {
    using folder = openFolder();
    expect(reason(folder.file('tokens.yaml', entries(good), 0o644), named)).toContain('is readable by everyone');
  });

  it('are refused when there is no such file', () => {
    using folder = openFolder();
    expect(reason(join(folder.path, 'none'), named)).toBe('there is no such file');
  });
});

describe('both together', () => {
  it('are all good at once', () => {
    using folder = openFolder();
    const paths = {
      service: folder.file('token', SECRET),
      tokens: folder.file('tokens.yaml', entries(`{name: a, role: reader, sha256: ${HASH}}`)),
    };
    expect(loadTokens(paths).map(({ name }) => name)).toEqual(['service', 'a']);
  });

  it('are refused together when one of them is not good', () => {
    using folder = openFolder();
    const good = {
      service: folder.file('token', SECRET),
      tokens: folder.file('tokens.yaml', entries(`{name: a, role: reader, sha256: ${HASH}}`)),
    };
    const bad = folder.file('bad', '');
    expect(refusalOf(() => loadTokens({ ...good, service: bad })).message).toBe(`${bad}: is empty`);
    expect(refusalOf(() => loadTokens({ ...good, tokens: bad })).message).toBe(`${bad}: is empty`);
  });

  it('may not both be missing: nobody could report', () => {
    expect(refusalOf(() => loadTokens({ service: null, tokens: null })).message).toBe(
      'neither SERVICE_TOKEN_PATH nor TOKENS_PATH is set: nobody could report',
    );
  });
});

describe('what an Authorization header can carry', () => {
  it.each(['a', '~!@#$%^&*()', 'A.b-c_9=='])('%s is', (text) => {
    expect(isToken(text)).toBe(true);
  });

  it.each(['', ' ', 'a b', ' a', 'a\n', 'é', 'a\0', '\u007f'])('%j is not', (text) => {
    expect(isToken(text)).toBe(false);
  });
});
