// The Ed25519 key that signs checkpoints: made at first start, kept in one file, its public half shown as a C2SP verifier key.

import { type KeyObject, createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { RecorderError } from '../errors.ts';

const ED25519 = 1;

export interface SigningKey {
  readonly privateKey: KeyObject;
  /** `<name>+<8 hex of key id>+<base64 of 0x01 ‖ public key>` (https://c2sp.org/signed-note): what an auditor pins. */
  readonly verifierKey: string;
}

/** A new private key as PKCS #8 PEM. */
export function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/**
 * @param origin the name of the log, as checkpoints will carry it
 * @throws RecorderError "invalid_configuration" when `pem` is no Ed25519 private key
 */
export function readKey(origin: string, pem: string): SigningKey {
  const privateKey = parse(pem);
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const typed = Buffer.concat([Buffer.of(ED25519), der.subarray(-32)]);
  const id = createHash('sha256').update(`${origin}\n`).update(typed).digest('hex').slice(0, 8);
  return { privateKey, verifierKey: `${origin}+${id}+${typed.toString('base64')}` };
}

function parse(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new RecorderError('invalid_configuration', 'is not a private key in PEM form');
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new RecorderError('invalid_configuration', `is a key of type ${key.asymmetricKeyType}; it must be ed25519`);
  }
  return key;
}
