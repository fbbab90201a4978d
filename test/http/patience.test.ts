// Waiting for a body: a slow client is given up, a slow recorder is not held against its clients.

import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPatience, hasPatience } from '../../src/http/patience.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** With a loop that has been idle for as long as is said. */
function waiting(limit_ms: number) {
  const incoming = {} as IncomingMessage;
  const loop = { idle: 0 };
  const patience = createPatience(incoming, limit_ms, () => loop.idle);
  const pass = async (ms: number, idle: number) => {
    loop.idle += idle;
    await vi.advanceTimersByTimeAsync(ms);
  };
  const wait = async () => {
    const told = { it: 'waits' };
    const { promise, resolve } = Promise.withResolvers<string>();
    patience.wait(promise).then(
      (came) => void (told.it = came),
      (error: { code: string }) => void (told.it = error.code),
    );
    return { told, come: resolve };
  };
  return { incoming, pass, wait };
}

describe('patience with a body', () => {
  it('ends when the client has kept an idle recorder waiting for too long, in one piece or in many', async () => {
    const one = waiting(10_000);
    const { told } = await one.wait();
    await one.pass(9_900, 9_900);
    expect(told.it).toBe('waits');
    await one.pass(300, 300);
    expect(told.it).toBe('request_timeout');

    const many = waiting(10_000);
    for (let i = 0; i < 9; i += 1) {
      const piece = await many.wait();
      await many.pass(1_050, 1_050);
      piece.come('came');
      await many.pass(0, 0);
      expect(piece.told.it).toBe('came');
    }
    const last = await many.wait();
    await many.pass(700, 700);
    expect(last.told.it).toBe('request_timeout');
  });

  it('does not end while the recorder itself has something else to do', async () => {
    const busy = waiting(10_000);
    const { told, come } = await busy.wait();
    await busy.pass(120_000, 1_000);
    expect(told.it).toBe('waits');
    come('came');
    await busy.pass(0, 0);
    expect(told.it).toBe('came');
  });

  it('is had with a body that is taken as it comes, and with no other', () => {
    expect(hasPatience(waiting(1).incoming)).toBe(true);
    expect(hasPatience({} as IncomingMessage)).toBe(false);
  });
});
