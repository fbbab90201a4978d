// Requests that wait for something to happen: how many may, and when each is let go. Nobody is kept who has left, or when all must go.

import type { ServerResponse } from 'node:http';
import type { Bell } from '../recorder/bell.ts';

/** One request that would like to wait. */
export interface Wish {
  /** Whose wait it is, as they are counted. */
  readonly who: string;
  /** What the bell rings when it is worth looking again. */
  readonly topic: string;
  /** Milliseconds, at most. */
  readonly ms: number;
  /** The answer that is waited with: when its connection ends, nobody waits any more. */
  readonly outgoing: Pick<ServerResponse, 'closed' | 'once' | 'off'>;
  /** True when there is nothing more to wait for; else the milliseconds after which to look again though nobody rings (Infinity = never). */
  readonly look: () => true | number;
}

/** `done`: there is nothing more to wait for. `over`: the time is. `cut`: before that, for want of room or because all must go. `gone`: the client is. */
type Waited = 'done' | 'over' | 'cut' | 'gone';

export interface WaitingRoom {
  /** It rejects with what `look` throws. */
  until(wish: Wish): Promise<Waited>;
  /** Lets all go, at once and from now on. */
  close(): void;
  /** How many wait. */
  readonly size: number;
}

export interface WaitingRoomParts {
  /** Wakes those who wait. */
  bell: Pick<Bell, 'listen'>;
  /** How many may wait at the same time, and of them one and the same. */
  max: number;
  maxEach: number;
}

export function createWaitingRoom({ bell, max, maxEach }: WaitingRoomParts): WaitingRoom {
  const waiting = new Map<symbol, { readonly who: string; readonly letGo: () => void }>();
  let closed = false;

  function hasRoom(who: string): boolean {
    const own = [...waiting.values()].filter((each) => each.who === who).length;
    return !closed && waiting.size < max && own < maxEach;
  }

  async function wait({ who, topic, ms, outgoing, look }: Wish, first: number): Promise<Waited> {
    const { promise, resolve, reject } = Promise.withResolvers<Waited>();
    const until = performance.now() + ms;
    const place = Symbol(who);
    let timer: NodeJS.Timeout | undefined;
    let turn: NodeJS.Immediate | undefined;

    const arm = (again: number) => {
      timer = setTimeout(lookAgain, Math.max(1, Math.min(again, until - performance.now())));
    };
    const lookAgain = () => {
      clearTimeout(timer);
      turn = undefined;
      try {
        const found = look();
        if (found === true) return resolve('done');
        if (performance.now() >= until) return resolve('over');
        arm(found);
      } catch (error) {
        reject(error);
      }
    };
    // However often it rings in one turn, and in the middle of whatever it does: one look, when that is over.
    const stop = bell.listen(topic, () => void (turn ??= setImmediate(lookAgain)));
    const leave = () => resolve('gone');
    outgoing.once('close', leave);
    waiting.set(place, { who, letGo: () => resolve('cut') });
    arm(first);
    try {
      return await promise;
    } finally {
      waiting.delete(place);
      outgoing.off('close', leave);
      stop();
      clearTimeout(timer);
      clearImmediate(turn);
    }
  }

  return {
    async until(wish) {
      const found = wish.look();
      if (found === true) return 'done';
      if (wish.outgoing.closed) return 'gone';
      if (wish.ms <= 0) return 'over';
      return hasRoom(wish.who) ? wait(wish, found) : 'cut';
    },
    close() {
      closed = true;
      for (const { letGo } of waiting.values()) letGo();
    },
    get size() {
      return waiting.size;
    },
  };
}
