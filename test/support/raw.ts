// A TCP client that is as rude as need be: it sends any bytes, when it likes, and reads whatever answers come back.

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

/** What an answer holds, untyped: looking into it is what a test is for. */
export type Parsed = ReturnType<typeof JSON.parse>;

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  json(): Parsed;
}

export interface RawConnection extends Disposable {
  readonly socket: Socket;
  send(bytes: string | Uint8Array): void;
  /** Sends its FIN; what the server still says is read. */
  end(): void;
  /** The next whole answer. `bodiless` for that to a HEAD. Rejects when the connection ends before it is whole. */
  answer(options?: { bodiless?: boolean }): Promise<RawAnswer>;
  /** Resolves when the server has closed or reset the connection; then with all answers that nobody had asked for. */
  closed(): Promise<RawAnswer[]>;
  /** Whether it ended by a reset, with which what was under way may be lost. */
  readonly reset: boolean;
  /** Bytes that came and were not read as an answer. */
  rest(): Buffer;
}

/** `using connection = await connectRaw(port)` */
export async function connectRaw(port: number, host = '127.0.0.1'): Promise<RawConnection> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  let received = Buffer.alloc(0);
  let over = false;
  let reset = false;
  let wake = () => {};
  let changed = new Promise<void>((resolve) => (wake = resolve));
  const tell = () => {
    wake();
    changed = new Promise<void>((resolve) => (wake = resolve));
  };
  const ends = () => {
    over = true;
    tell();
  };
  socket.on('data', (piece: Buffer) => {
    received = Buffer.concat([received, piece]);
    tell();
  });
  socket.on('end', ends);
  socket.on('close', ends);
  // A reset is an end like any other: what counts is what came before it.
  socket.on('error', () => {
    reset = true;
    ends();
  });
  await once(socket, 'connect');

  const take = (bodiless: boolean): RawAnswer | null => {
    const found = readAnswer(received, bodiless);
    if (!found) return null;
    received = received.subarray(found.length);
    return found.answer;
  };
  return {
    socket,
    send: (bytes) => void (socket.writable && socket.write(bytes)),
    end: () => void socket.end(),
    async answer({ bodiless = false } = {}) {
      for (;;) {
        const answer = take(bodiless);
        if (answer) return answer;
        if (over) throw new Error(`the connection ended after ${JSON.stringify(received.toString('latin1').slice(0, 200))}`);
        await changed;
      }
    },
    async closed() {
      for (;;) {
        if (over) break;
        await changed;
      }
      socket.end();
      // Only when both halves are closed is it known whether it was a reset.
      if (!socket.closed) await new Promise((resolve) => void socket.once('close', resolve));
      const answers: RawAnswer[] = [];
      for (let answer = take(false); answer; answer = take(false)) answers.push(answer);
      return answers;
    },
    get reset() {
      return reset;
    },
    rest: () => received,
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** Sends bytes, and gives back the first answer to them. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<RawAnswer> {
  using connection = await connectRaw(port);
  connection.send(bytes);
  return await connection.answer();
}

/** A request as text. Nothing is added to the headers but a Host; `host: null` leaves even that out. */
export function requestText(
  method: string,
  target: string,
  { host = '127.0.0.1', headers = {}, body = '' }: { host?: string | null; headers?: Record<string, string>; body?: string } = {},
): string {
  const lines = Object.entries({ ...(host === null ? {} : { host }), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** One chunk of a chunked body. */
export function chunk(bytes: string | Buffer): Buffer {
  const content = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')]);
}

export const LAST_CHUNK = '0\r\n\r\n';

function readAnswer(bytes: Buffer, bodiless: boolean): { answer: RawAnswer; length: number } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) throw new Error(`not the first line of an answer: ${statusLine}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = bodiless || status < 200 ? 0 : Number(headers['content-length'] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Error('an answer without Content-Length');
  const from = end + 4;
  if (bytes.length < from + length) return null;
  const body = bytes.subarray(from, from + length).toString('utf8');
  return { answer: { status, headers, body, json: () => JSON.parse(body) }, length: from + length };
}
