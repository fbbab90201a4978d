// Where two JSON values differ, whatever the order of their keys.

import { escapePointer } from './bounds.ts';

/** A JSON pointer (RFC 6901) to the first place, in the order of `a`; null when they are the same. As deep as the shallower of the two. */
export function differenceOf(a: unknown, b: unknown): string | null {
  if (!isNested(a) || !isNested(b)) return a === b ? null : '';
  if (Array.isArray(a) !== Array.isArray(b)) return '';
  for (const key of Object.keys(a)) {
    const found = Object.hasOwn(b, key) ? differenceOf(a[key], b[key]) : '';
    if (found !== null) return `/${escapePointer(key)}${found}`;
  }
  const added = Object.keys(b).find((key) => !Object.hasOwn(a, key));
  return added === undefined ? null : `/${escapePointer(added)}`;
}

function isNested(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
