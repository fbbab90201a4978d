// What a replay remembers, bounded: a map that forgets what it has known for longest when it is full, and counts what it forgot.

import { createHash } from 'node:crypto';

export interface Memory<V> {
  get(key: string): V | undefined;
  has(key: string): boolean;
  set(key: string, value: V): void;
  delete(key: string): void;
  /** Oldest first. */
  values(): IteratorObject<V>;
  readonly size: number;
  /** How many entries were forgotten to make room. */
  readonly forgotten: number;
}

/** @param max entries, at least 1 */
export function createMemory<V>(max: number, onForgotten: (key: string, value: V) => void = () => {}): Memory<V> {
  const entries = new Map<string, V>();
  let forgotten = 0;

  // Goes on where it was: to find the oldest from the beginning takes as long as there are gaps before it.
  let oldest = entries.entries();

  function forgetOldest(): void {
    let next = oldest.next();
    if (next.done) {
      oldest = entries.entries();
      next = oldest.next();
    }
    if (next.done) return;
    const [key, value] = next.value;
    entries.delete(key);
    forgotten += 1;
    onForgotten(key, value);
  }

  return {
    get: (key) => entries.get(key),
    has: (key) => entries.has(key),
    set(key, value) {
      if (entries.size >= max && !entries.has(key)) forgetOldest();
      entries.set(key, value);
    },
    delete: (key) => void entries.delete(key),
    values: () => entries.values(),
    get size() {
      return entries.size;
    },
    get forgotten() {
      return forgotten;
    },
  };
}

const MAX_KEY = 64;

/** A short word for a text of any length, which reporters write; equal for equal texts only. */
export function wordFor(text: string): string {
  return text.length <= MAX_KEY ? `=${text}` : createHash('sha256').update(text).digest('base64url');
}

const MAX_LIST = 256;

/** A short list with one more in it, unless it is there; of what is not open any more it is cleared when it has grown long. */
export function oneMore(list: readonly string[], one: string, isOpen: (each: string) => boolean): readonly string[] {
  if (list.includes(one)) return list;
  const left = list.length < MAX_LIST ? list : list.filter(isOpen);
  return left.length < MAX_LIST ? [...left, one] : left;
}
