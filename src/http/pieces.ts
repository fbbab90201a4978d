// Answers that are sent piece by piece, each as slowly as its reader likes: only so many at the same time to one of them.

import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { RecorderError } from '../errors.ts';
import { SECURITY_HEADERS } from './problem.ts';
import { SENT } from './reply.ts';

/** Takes a turn; it ends when it is disposed of. @throws RecorderError "rate_limited" when that many are under way already */
export type TakeTurn = (who: string) => Disposable;

/** @param what it is that is sent, in the plural */
export function createTurns(max: number, what: string): TakeTurn {
  const underWay = new Map<string, number>();
  return (who) => {
    const turns = underWay.get(who) ?? 0;
    if (turns >= max) throw new RecorderError('rate_limited', `${max} ${what} are being sent to this token already`, { retry_after: 5 });
    underWay.set(who, turns + 1);
    return {
      [Symbol.dispose]() {
        const left = (underWay.get(who) ?? 1) - 1;
        if (left === 0) underWay.delete(who);
        else underWay.set(who, left);
      },
    };
  };
}

/**
 * Sends JSON while it is made. When that fails the connection is cut, so that half of it does not look whole, and `failed` is told why;
 * a reader who leaves is no failure.
 */
export async function sendPieces(
  outgoing: ServerResponse,
  headers: Record<string, string>,
  pieces: Iterable<string>,
  failed: (error: unknown) => void,
): Promise<typeof SENT> {
  outgoing.writeHead(200, { ...SECURITY_HEADERS, 'content-type': 'application/json', ...headers });
  try {
    await pipeline(rested(pieces), outgoing);
  } catch (error) {
    if (!hasLeft(error)) failed(error);
  }
  return SENT;
}

/** Lets everybody else have a turn after each piece, however fast the reader is. */
async function* rested(pieces: Iterable<string>): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    yield Buffer.from(piece);
    await setImmediate();
  }
}

/** Whether the reader ended the connection. */
function hasLeft(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}
