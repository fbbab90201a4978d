// Why there was no answer, in one short sentence without a word of what the other side sent.

import { stat } from 'node:fs/promises';
import type { Address } from '../policy/policy.ts';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ENOENT: 'the socket does not exist',
  ENOTDIR: 'the socket does not exist',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EAGAIN: 'it takes no more connections',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'it cannot be reached',
  ENETUNREACH: 'it cannot be reached',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name is not known',
  HPE_HEADER_OVERFLOW: 'an answer with too long headers',
};

/** Never rejects. */
export async function reasonOf(error: unknown, address: Address): Promise<string> {
  const code = codeOf(error);
  if (code === 'ECONNREFUSED' && address.over === 'unix' && !(await isSocket(address.socket))) return 'is not a socket';
  const known = REASONS[code];
  if (known !== undefined) return known;
  if (code.startsWith('HPE_')) return 'an answer that is not HTTP';
  // Codes are words of node's and OpenSSL's own; messages may hold what a certificate says.
  return /^[A-Z0-9_]{1,64}$/.test(code) ? `it cannot be asked (${code})` : 'it cannot be asked';
}

/** Whether this is how a kept connection ends that its peer had closed before it was used again. */
export function isStale(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ECONNRESET' || code === 'EPIPE';
}

function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : '';
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isSocket();
  } catch {
    // Gone meanwhile: then nobody listened on what was there.
    return true;
  }
}
