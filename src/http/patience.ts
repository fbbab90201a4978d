// How long a body that is taken as it comes is waited for: in the time in which there was nothing else to do.

import type { IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import { RecorderError } from '../errors.ts';

/** For all of a request. Node's own limit, of the same length, also counts the time in which we are the slow ones. */
export const PATIENCE_MS = 10_000;

const patient = new WeakSet<IncomingMessage>();

/** Whether it has a limit of its own, and is not to be ended by node's. */
export function hasPatience(incoming: IncomingMessage): boolean {
  return patient.has(incoming);
}

export interface Patience {
  /** Waits for what comes next. @throws RecorderError "request_timeout" when the client has kept us waiting for too long in all */
  wait<T>(next: Promise<T>): Promise<T>;
}

/** @param idle how long the event loop has had nothing to do until now, in milliseconds */
export function createPatience(
  incoming: IncomingMessage,
  limit_ms = PATIENCE_MS,
  idle = (): number => performance.eventLoopUtilization().idle,
): Patience {
  patient.add(incoming);
  let left = limit_ms;
  return {
    async wait(next) {
      const began = idle();
      const { promise: late, reject } = Promise.withResolvers<never>();
      const look = () => {
        const rest = left - (idle() - began);
        if (rest <= 0) reject(new RecorderError('request_timeout', 'the body was not there in time'));
        else timer = setTimeout(look, Math.max(rest, 100));
      };
      let timer = setTimeout(look, left);
      try {
        return await Promise.race([next, late]);
      } finally {
        clearTimeout(timer);
        left -= idle() - began;
      }
    },
  };
}
