// The bounds of any JSON that comes from outside, walked before a schema sees it.

import type { Fault } from '../errors.ts';
import { isStorable } from './text.ts';

export const MAX_KEYS = 64;
export const MAX_DEPTH = 8;
export const MAX_STRING_BYTES = 16 * 1024;

/**
 * The first fault of a parsed JSON value, or null. `depth` is how many levels of objects and arrays it may have.
 * Strings are measured in UTF-8 bytes; numbers must be exact as doubles: finite, magnitude ≤ 2^53−1.
 * The walk stops at the depth limit, so it cannot overflow the stack whatever the input is.
 */
export function faultOf(value: unknown, depth: number, pointer = ''): Fault | null {
  switch (typeof value) {
    case 'string':
      return stringFault(value, pointer);
    case 'number':
      if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return null;
      return { pointer, detail: 'is beyond ±(2^53−1), where numbers stop being exact; send it as a string' };
    case 'object':
      break;
    default:
      return null;
  }
  if (value === null) return null;
  if (depth === 0) return { pointer, detail: `is nested deeper than ${MAX_DEPTH} levels` };
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const fault = faultOf(value[i], depth - 1, `${pointer}/${i}`);
      if (fault) return fault;
    }
    return null;
  }
  const keys = Object.keys(value);
  if (keys.length > MAX_KEYS) return { pointer, detail: `has ${keys.length} keys; at most ${MAX_KEYS} are taken` };
  for (const key of keys) {
    const fault = keyFault(key, pointer) ?? faultOf((value as Record<string, unknown>)[key], depth - 1, `${pointer}/${escapePointer(key)}`);
    if (fault) return fault;
  }
  return null;
}

function keyFault(key: string, pointer: string): Fault | null {
  if (key === '__proto__') return { pointer, detail: 'has a key "__proto__", which is never taken' };
  return stringFault(key, pointer, 'has a key that ');
}

function stringFault(text: string, pointer: string, what = ''): Fault | null {
  if (!isStorable(text)) return { pointer, detail: `${what}holds NUL or a lone surrogate, which cannot be kept` };
  if (text.length * 3 > MAX_STRING_BYTES && Buffer.byteLength(text) > MAX_STRING_BYTES) {
    return { pointer, detail: `${what}is longer than ${MAX_STRING_BYTES} bytes` };
  }
  return null;
}

/** One key as a token of a JSON pointer (RFC 6901 §3), shortened: it may be 16 KiB of somebody's text. */
export function escapePointer(key: string): string {
  return key.slice(0, 128).replaceAll('~', '~0').replaceAll('/', '~1');
}
