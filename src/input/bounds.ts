// The bounds of any JSON that comes from outside, walked before a schema sees it.

import type { Fault } from '../errors.ts';
import { isStorable } from './text.ts';

export const MAX_KEYS = 64;
export const MAX_DEPTH = 8;
export const MAX_STRING_BYTES = 16 * 1024;

/**
 * The first fault of a parsed JSON value, or null. `depth` is how many levels of objects and arrays it may have.
 * Strings are measured in UTF-8 bytes; numbers must be exact as doubles: finite, magnitude ≤ 2^53−1.
 */
export function faultOf(value: unknown, depth: number): Fault | null {
  const broken = brokenIn(value, depth);
  return broken && { pointer: broken.path.map((step) => `/${escapePointer(step)}`).join(''), detail: broken.detail };
}

/** Whether it is a JSON object, and neither null nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where it is told on the way back only: what is whole, as nearly everything is, costs no path. */
interface Broken {
  readonly path: string[];
  readonly detail: string;
}

/** Stops at the depth limit, so it cannot overflow the stack whatever the input is. */
function brokenIn(value: unknown, depth: number): Broken | null {
  switch (typeof value) {
    case 'string':
      return brokenText(value);
    case 'number':
      if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return null;
      return { path: [], detail: 'is beyond ±(2^53−1), where numbers stop being exact; send it as a string' };
    case 'object':
      break;
    default:
      return null;
  }
  if (value === null) return null;
  if (depth === 0) return { path: [], detail: `is nested deeper than ${MAX_DEPTH} levels` };
  const keys = Object.keys(value);
  if (!Array.isArray(value) && keys.length > MAX_KEYS)
    return { path: [], detail: `has ${keys.length} keys; at most ${MAX_KEYS} are taken` };
  for (const key of keys) {
    const bad = brokenKey(key);
    if (bad) return bad;
    const each = (value as Record<string, unknown>)[key];
    // Nearly all that there is: not worth a call more.
    const broken = typeof each === 'string' ? brokenText(each) : brokenIn(each, depth - 1);
    if (broken) return { path: [key, ...broken.path], detail: broken.detail };
  }
  return null;
}

function brokenKey(key: string): Broken | null {
  if (key === '__proto__') return { path: [], detail: 'has a key "__proto__", which is never taken' };
  return brokenText(key, 'has a key that ');
}

function brokenText(text: string, what = ''): Broken | null {
  if (!isStorable(text)) return { path: [], detail: `${what}holds NUL or a lone surrogate, which cannot be kept` };
  if (text.length * 3 > MAX_STRING_BYTES && Buffer.byteLength(text) > MAX_STRING_BYTES) {
    return { path: [], detail: `${what}is longer than ${MAX_STRING_BYTES} bytes` };
  }
  return null;
}

/** One key as a token of a JSON pointer (RFC 6901 §3), shortened: it may be 16 KiB of somebody's text. */
export function escapePointer(key: string): string {
  return key.slice(0, 128).replaceAll('~', '~0').replaceAll('/', '~1');
}
