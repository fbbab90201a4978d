// Lists that are newest first: pages by the seq of what is on them, each bounded in number and in length.

import { hash } from 'node:crypto';
import type { Call } from './guard.ts';
import { cursorOf, encodeCursor, limitOf, linkTo } from './query.ts';
import type { Plain } from './problem.ts';
import { raw } from './reply.ts';

/** A page is cut short, and goes on behind its `next`, when its JSON outgrows this (UTF-16 units). */
const MAX_PAGE_LENGTH = 512 * 1024;

export interface Listing<T> {
  /** What it is narrowed by: its cursors are good for nothing else. */
  readonly filter: unknown;
  /** Newest first, with a seq below `before`. */
  readonly list: (before: number, limit: number) => readonly T[];
  /** The lowest seq that such a list has looked at, when it stopped before the end. */
  readonly reach: (before: number) => number | null;
  readonly view: (item: T) => unknown;
}

/** @throws RecorderError "invalid_parameter" for a limit or a cursor that is none */
export function listReply<T extends { readonly seq: number }>(
  { path }: Pick<Call, 'path'>,
  parameters: URLSearchParams,
  { filter, list, reach, view }: Listing<T>,
): Plain {
  const boundTo = hash('sha256', JSON.stringify([path, filter]), 'base64url').slice(0, 16);
  const limit = limitOf(parameters);
  const before = cursorOf(parameters, boundTo)?.before ?? Number.MAX_SAFE_INTEGER;
  const found = list(before, limit + 1);
  const parts: string[] = [];
  let length = 0;
  for (const item of found.slice(0, limit)) {
    if (length > MAX_PAGE_LENGTH) break;
    const part = JSON.stringify(view(item));
    parts.push(part);
    length += part.length;
  }
  const last = found[parts.length - 1];
  const to = last && parts.length < found.length ? last.seq : reach(before);
  const link = to === null ? {} : linkTo(path, parameters, encodeCursor({ rank: 0, before: to }, boundTo));
  return raw(`[${parts.join(',')}]`, 200, link);
}
