// The key that will sign checkpoints: what is taken as one, and how its public half is shown.
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { newKeyPem, readKey } from '../../src/audit/key.ts';

const ORIGIN = 'host.example/incident-recorder';

describe('the signing key', () => {
  it('is shown by its public half as a C2SP verifier key: name, key id, and 0x01 with the 32 bytes of Ed25519', () => {
    const pem = newKeyPem();
    const [, name, id, base64] = /^([^+]*)\+([^+]*)\+(.*)$/.exec(readKey(ORIGIN, pem).verifierKey) ?? [];
    const bytes = Buffer.from(String(base64), 'base64');
    expect(name).toBe(ORIGIN);
    expect(bytes[0]).toBe(1);
    const { x } = createPublicKey(pem).export({ format: 'jwk' });
    expect(bytes.subarray(1).toString('base64url')).toBe(x);
    expect(id).toBe(createHash('sha256').update(`${ORIGIN}\n`).update(bytes).digest('hex').slice(0, 8));
  });

  it('is another one each time it is made', () => {
    expect(readKey(ORIGIN, newKeyPem()).verifierKey).not.toBe(readKey(ORIGIN, newKeyPem()).verifierKey);
  });

  it('never shows its private half', () => {
    const pem = newKeyPem();
    const { d } = readKey(ORIGIN, pem).privateKey.export({ format: 'jwk' });
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(Buffer.from(readKey(ORIGIN, pem).verifierKey).includes(Buffer.from(String(d), 'base64url').toString('base64'))).toBe(false);
  });

  const pem = newKeyPem();
  it.each([
    ['nothing', '', 'is not a private key in PEM form'],
    ['words', 'hello', 'is not a private key in PEM form'],
    ['a torn PEM', pem.slice(0, 60), 'is not a private key in PEM form'],
    ['a public key', createPublicKey(pem).export({ type: 'spki', format: 'pem' }), 'is not a private key in PEM form'],
    [
      'a key for elliptic curves',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
      'is a key of type ec; it must be ed25519',
    ],
    [
      'a key for agreement',
      generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
      'is a key of type x25519; it must be ed25519',
    ],
  ])('is refused when it is %s', (_, text, message) => {
    expect(() => readKey(ORIGIN, text)).toThrow(expect.objectContaining({ code: 'invalid_configuration', message }));
  });
});
