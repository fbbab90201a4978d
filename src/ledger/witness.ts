// Has a witness elsewhere cosign what the log stands at: it follows the newest checkpoint at its own pace, and holds up nobody.

import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { VerifierKey } from '../audit/note.ts';
import { cosignaturesIn, sizeIn, submissionText } from '../audit/witness.ts';
import { readAnswer } from '../input/answer.ts';
import { lookup } from '../input/lookup.ts';
import type { Log } from '../log.ts';

export interface SignedCheckpoint {
  /** The signed note. */
  readonly note: string;
  readonly size: number;
}

export interface Witness {
  /** Asks for a cosignature when nothing else is under way; of what comes meanwhile the newest is kept. Sizes never go back. Never throws. */
  offer(checkpoint: SignedCheckpoint): void;
  /** Whether the last thing that the witness was asked was cosigned; `ok` before the first. */
  readonly health: 'ok' | 'failing';
  /** Gives up what is under way; afterwards nothing is asked or told any more. */
  close(): Promise<void>;
}

export interface WitnessParts {
  /** http or https; `/add-checkpoint` is put behind it. */
  url: string;
  /** Null when its key is not known: then an answer is only looked at for its form. */
  key: VerifierKey | null;
  /** The hashes of a consistency proof between two sizes of the log, 0 < from < to, 64 hex digits each. */
  proofOf: (from: number, to: number) => readonly string[];
  log: Log;
  /** Milliseconds that never go back. */
  monotonic?: () => number;
  /** The checkpoint with the cosignatures below its own signature. */
  onCosigned: (note: string, size: number) => void;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** The size that the witness has cosigned last, when that is what it answers. */
  readonly seen: number | null;
}

/** What went wrong; `critical` when the witness knows another history of this log than ours. */
interface Failure {
  readonly level: 'warning' | 'critical';
  readonly error: string;
}

const TIMEOUT_MS = 5000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;

/** @throws TypeError when `url` is none */
export function createWitness({ url, key, proofOf, log, monotonic = () => performance.now(), onCosigned }: WitnessParts): Witness {
  const target = new URL(`${url.replace(/\/+$/, '')}/add-checkpoint`);
  const fields = { witness: target.host };
  let waiting: SignedCheckpoint | null = null;
  let underWay: Promise<void> | null = null;
  let giveUp = () => {};
  let closed = false;
  /** Size that the witness has cosigned last, as far as is known. */
  let cosigned = 0;
  let failures = 0;
  let told: Failure['level'] | null = null;
  let notBefore = 0;
  let timer: NodeJS.Timeout | undefined;

  function next(): void {
    clearTimeout(timer);
    if (closed || underWay || !waiting) return;
    const wait = notBefore - monotonic();
    if (wait > 0) {
      timer = setTimeout(next, Math.ceil(wait)).unref();
      return;
    }
    const checkpoint = waiting;
    waiting = null;
    underWay = cosign(checkpoint).then((failure) => {
      underWay = null;
      if (closed) return;
      if (failure) failed(failure, checkpoint);
      else succeeded();
      next();
    });
  }

  function failed(failure: Failure, checkpoint: SignedCheckpoint): void {
    waiting ??= checkpoint;
    notBefore = monotonic() + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
    failures += 1;
    if (told === failure.level || told === 'critical') return;
    told = failure.level;
    log[told]('the witness does not cosign', { ...fields, size: checkpoint.size, error: failure.error });
  }

  function succeeded(): void {
    if (told) log.warning('the witness cosigns again', { ...fields, size: cosigned, failures });
    failures = 0;
    told = null;
  }

  /** Null when it is cosigned, and told of. Never rejects. */
  async function cosign({ note, size }: SignedCheckpoint): Promise<Failure | null> {
    try {
      let answer = await submit(note, size);
      if (answer.seen !== null && answer.seen <= size) {
        cosigned = answer.seen;
        answer = await submit(note, size);
      }
      if (answer.status !== 200) return failureOf(answer, size);
      const lines = cosignaturesIn(answer.body, note, key);
      cosigned = size;
      if (!closed) onCosigned(note + lines, size);
      return null;
    } catch (error) {
      return { level: 'warning', error: String(error) };
    }
  }

  function failureOf({ status, seen }: Answer, size: number): Failure {
    if (seen !== null && seen > size) return { level: 'critical', error: `it has seen ${seen} records of this log, which has ${size}` };
    const otherRoot = status === 409 && seen === null && cosigned === size;
    if (otherRoot || status === 422) return { level: 'critical', error: `it knows another history of this log (answer ${status})` };
    return { level: 'warning', error: `it answered ${status}` };
  }

  function submit(note: string, size: number): Promise<Answer> {
    const proof = cosigned > 0 && cosigned < size ? proofOf(cosigned, size) : [];
    if (closed) throw new Error('given up');
    const { answer, abort } = post(target, submissionText({ from: cosigned, proof, note }));
    giveUp = abort;
    return answer;
  }

  return {
    offer(checkpoint) {
      waiting = checkpoint;
      next();
    },
    get health() {
      return failures > 0 ? 'failing' : 'ok';
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      giveUp();
      await underWay;
    },
  };
}

/** One request on a connection of its own. The answer rejects when it is not whole within 5 seconds and 64 KiB, and when it is given up. */
function post(target: URL, body: string): { answer: Promise<Answer>; abort: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) };
  const request = (target.protocol === 'https:' ? requestHttps : requestHttp)(target, { method: 'POST', agent: false, headers, lookup });
  const end = (why: string) => {
    reject(new Error(why));
    request.destroy();
  };
  const timer = setTimeout(end, TIMEOUT_MS, `no whole answer within ${TIMEOUT_MS} ms`).unref();
  let answered = false;
  request.on('response', (response) => {
    answered = true;
    const { statusCode: status = 0, headers: told } = response;
    const taken = (text: string) => resolve({ status, body: text, seen: status === 409 ? sizeIn(told['content-type'], text) : null });
    readAnswer(response, taken, end);
  });
  request.on('error', reject);
  request.on('close', () => {
    clearTimeout(timer);
    if (!answered) end('no answer');
  });
  request.end(body);
  return { answer: promise, abort: () => end('given up') };
}
