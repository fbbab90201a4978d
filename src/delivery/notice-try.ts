// One try to tell a webhook: what is sent, and what its answer comes to.

import type { Webhook } from '../policy/policy.ts';
import type { Answer, Ask } from './ask.ts';
import { isRefusal, isSuccess } from './http-status.ts';
import { addressOf } from './notice-address.ts';
import type { Notice } from './notice-event.ts';
import { bodyOf } from './notice-form.ts';
import { signatureHeaders } from './signature.ts';

/** `refused`: it will not take this one. `failed`: nobody knows. */
export type Reception =
  | { readonly is: 'taken' }
  | { readonly is: 'refused' | 'failed'; readonly error: string; readonly retry_after_ms: number | null };

export interface TryParts {
  ask: (what: Ask, giveUp?: AbortSignal) => Promise<Answer>;
  /** What is in force of it now. */
  webhook: () => Webhook;
  /** The keys in a file of SECRETS_DIR. */
  keysOf: (secret: string) => readonly Buffer[];
  now: () => Date;
}

/** That of the original: receivers may tell its notices by it. */
const USER_AGENT = 'SecAI-Incident-Recorder/1.0';
const TIMEOUT_MS = 5000;

export function createTry({ ask, webhook, keysOf, now }: TryParts): (notice: Notice, giveUp: AbortSignal) => Promise<Reception> {
  function asked(notice: Notice): Ask {
    const { url, format, secret } = webhook();
    const body = bodyOf(format, notice);
    // The same for each try, by which the receiver can tell a repeat.
    const id = `NTC-${notice.seq}`;
    const timestamp = Math.floor(now().getTime() / 1000);
    const signed = secret === null ? {} : signatureHeaders(keysOf(secret), id, timestamp, body);
    const headers = {
      'content-type': 'application/json',
      'user-agent': USER_AGENT,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
    };
    return { method: 'POST', address: addressOf(url), headers: { ...headers, ...signed }, body, timeout_ms: TIMEOUT_MS };
  }

  return async (notice, giveUp) => {
    try {
      const { status, retry_after_ms } = await ask(asked(notice), giveUp);
      if (isSuccess(status)) return { is: 'taken' };
      const is = isRefusal(status) ? 'refused' : 'failed';
      return { is, error: `it answered ${status}`, retry_after_ms };
    } catch (error) {
      return { is: 'failed', error: error instanceof Error ? error.message : String(error), retry_after_ms: null };
    }
  };
}
