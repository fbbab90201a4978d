// One question to another service over HTTP, on TCP or a unix socket: its whole answer in time and within bounds, or one sentence why not.

import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { readAnswer } from '../input/answer.ts';
import { lookup } from '../input/lookup.ts';
import type { Address } from '../policy/policy.ts';
import { isStale, reasonOf } from './ask-failure.ts';
import { retryAfterOf } from './retry-after.ts';

export interface Ask {
  readonly method: 'GET' | 'POST';
  readonly address: Address;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** For all of it, from the connection to the last byte of the answer. */
  readonly timeout_ms: number;
}

export interface Answer {
  /** Redirects are not followed: a 3xx is an answer as any other. */
  readonly status: number;
  /** How long it asks us to wait, from 0 to an hour; null when it does not. */
  readonly retry_after_ms: number | null;
  readonly content_type: string | null;
  /** UTF-8, at most 64 KiB. */
  readonly body: string;
}

const MAX_HEADER_BYTES = 8 * 1024;
/** Answers 1xx before the one that counts. */
const MAX_HINTS = 8;

// Connections are kept: a new one for each question costs 1.6x the CPU, 2.5x the p99 and, under --jitless, 30 MB of memory.
const KEPT = { keepAlive: true, maxFreeSockets: 4, timeout: 60_000 };
const AGENTS = { http: new HttpAgent(KEPT), https: new HttpsAgent(KEPT) };

/**
 * Never follows a redirect. A kept connection that its peer had closed meanwhile is no failure: then it is asked once more on a new one.
 * @throws Error with one short sentence that is safe to show: why there is no answer, or why it cannot be taken
 */
export function ask(what: Ask, giveUp?: AbortSignal): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let request: ClientRequest | null = null;
  let over = false;
  const timer = setTimeout(() => end(`no whole answer within ${what.timeout_ms} ms`), what.timeout_ms).unref();
  const abort = () => end('given up');

  function settle(): boolean {
    if (over) return false;
    over = true;
    clearTimeout(timer);
    giveUp?.removeEventListener('abort', abort);
    return true;
  }

  function end(why: string): void {
    if (!settle()) return;
    reject(new Error(why));
    request?.destroy();
  }

  async function failed(error: unknown): Promise<void> {
    const reason = await reasonOf(error, what.address);
    end(reason);
  }

  function attempt(again: boolean): void {
    let [answered, broken, hints] = [false, false, 0];
    const sent = send(what, again);
    request = sent;
    sent.on('information', () => {
      hints += 1;
      if (hints > MAX_HINTS) end('nothing but hints of an answer');
    });
    sent.on('response', (response) => {
      answered = true;
      readAnswer(response, (body) => settle() && resolve(answerOf(response, body)), end);
    });
    sent.on('error', (error) => {
      broken = true;
      if (over || answered) return;
      if (!again && hints === 0 && sent.reusedSocket && isStale(error)) attempt(true);
      else void failed(error);
    });
    sent.on('close', () => {
      if (!answered && !broken) end('no answer');
    });
    sent.end(what.body ?? undefined);
  }

  giveUp?.addEventListener('abort', abort);
  try {
    if (giveUp?.aborted) abort();
    else attempt(false);
  } catch (error) {
    void failed(error);
  }
  return promise;
}

/** @throws TypeError for a path or a header that HTTP does not know */
function send({ method, address, headers, body }: Ask, fresh: boolean): ClientRequest {
  const tls = address.over === 'tcp' && address.tls;
  const where =
    address.over === 'unix' ? { socketPath: address.socket } : { host: address.host.replaceAll(/^\[|\]$/g, ''), port: address.port };
  return (tls ? requestHttps : requestHttp)({
    ...where,
    method,
    path: address.path,
    headers: body === null ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
    maxHeaderSize: MAX_HEADER_BYTES,
    lookup,
    agent: fresh ? false : tls ? AGENTS.https : AGENTS.http,
  });
}

function answerOf({ headers, statusCode: status = 0 }: IncomingMessage, body: string): Answer {
  const retry_after_ms = retryAfterOf(headers['retry-after'], headers.date);
  return { status, retry_after_ms, content_type: headers['content-type'] ?? null, body };
}
