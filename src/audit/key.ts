// The Ed25519 key that signs checkpoints: made at first start, kept in one file, its public half shown as a C2SP verifier key.

import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { RecorderError } from '../errors.ts';
import { ED25519, type NoteSigner, verifierKeyOf } from './note.ts';

export interface SigningKey extends NoteSigner {
  /** The 32 bytes of its public half (RFC 8032). */
  readonly publicKey: Uint8Array;
  /** The text of that: what an auditor pins. */
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
  const publicKey = der.subarray(-32);
  const { name, id, text } = verifierKeyOf(origin, publicKey, ED25519);
  return { name, id, privateKey, publicKey, verifierKey: text };
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
