// Which token a caller holds: the right one of many, and none for anything else.

import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyring } from '../../src/access/keyring.ts';
import type { Token } from '../../src/access/token.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const tokenOf = (name: string, secret: string): Token => ({
  ...{ name, role: 'reader', sha256: sha256(secret) },
  sources: null,
  classes: null,
  actuator: null,
  rate: null,
});

describe('a keyring', () => {
  it('finds each of many tokens, wherever it stands', () => {
    const secrets = Array.from({ length: 256 }, () => randomBytes(32).toString('hex'));
    const keyring = createKeyring(secrets.map((secret, i) => tokenOf(`t${i}`, secret)));
    secrets.forEach((secret, i) => expect(keyring.find(secret)?.name).toBe(`t${i}`));
    expect(keyring.tokens).toHaveLength(256);
  });

  it('finds none for what is nearly a token', () => {
    const secret = 'S3cret-token-of-32-characters-00';
    const keyring = createKeyring([tokenOf('t', secret)]);
    const near = fc.oneof(
      fc.nat(31).map((at) => secret.slice(0, at) + secret.slice(at + 1)),
      fc.tuple(fc.nat(32), fc.stringMatching(/^[!-~ ]$/)).map(([at, char]) => secret.slice(0, at) + char + secret.slice(at)),
      fc.constantFrom(
        '',
        secret.toLowerCase(),
        `${secret} `,
        ` ${secret}`,
        `${secret}\n`,
        `${secret}\0`,
        `"${secret}"`,
        sha256(secret).toString('hex'),
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(near, (presented) => {
        expect(keyring.find(presented)).toBe(presented === secret ? keyring.tokens[0] : null);
      }),
    );
    expect(keyring.find(secret)?.name).toBe('t');
  });

  it('without tokens finds none', () => {
    expect(createKeyring([]).find('')).toBeNull();
  });
});
