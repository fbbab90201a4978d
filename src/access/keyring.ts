// Which token a caller holds, compared in constant time.

import { hash, timingSafeEqual } from 'node:crypto';
import type { Token } from './token.ts';

export interface Keyring {
  /** The token that this is, or null. Takes as long whichever it is. */
  find(presented: string): Token | null;
  /** All that are good now. */
  readonly tokens: readonly Token[];
}

export function createKeyring(tokens: readonly Token[]): Keyring {
  return {
    tokens,
    find(presented) {
      const digest = hash('sha256', presented, 'buffer');
      let found: Token | null = null;
      for (const token of tokens) if (timingSafeEqual(token.sha256, digest)) found = token;
      return found;
    },
  };
}
