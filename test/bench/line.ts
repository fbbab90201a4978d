// One keep-alive connection to this machine that sends whole requests, one at a time, and reads just enough of the answers.

import { type Socket, connect } from 'node:net';

interface Answer {
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
  readonly head: string;
  readonly body: () => string;
}

export interface Line {
  ask(request: Buffer | string): Promise<Answer>;
  close(): Promise<void>;
}

/** Nothing here takes longer; a server that hangs is an error. */
const PATIENCE_MS = 20_000;

export function openLine(port: number): Promise<Line> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(lineOn(socket));
    });
  });
}

function lineOn(socket: Socket): Line {
  let waiting: PromiseWithResolvers<Answer> | null = null;
  let chunks: Buffer[] = [];
  let bytes = 0;
  let needed = 0; // of the whole answer; 0 while its head is not there

  const fail = (reason: string) => {
    waiting?.reject(new Error(reason));
    waiting = null;
    socket.destroy();
  };
  socket.setTimeout(PATIENCE_MS, () => fail('no answer'));
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the server closed the connection'));
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (needed > 0 && bytes < needed) return;
    const all = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    chunks = [all];
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = all.toString('latin1', 0, end);
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
    if (length === undefined) return fail(`an answer without Content-Length: ${head}`);
    needed = end + 4 + Number(length);
    if (bytes < needed) return;
    if (bytes > needed || !waiting) return fail('more than one answer');
    const answered = waiting;
    [waiting, chunks, bytes, needed] = [null, [], 0, 0];
    answered.resolve({ status: Number(head.slice(9, 12)), bytes: Number(length), head, body: () => all.toString('utf8', end + 4) });
  });

  return {
    async ask(request) {
      waiting = Promise.withResolvers<Answer>();
      socket.write(request);
      return waiting.promise;
    },
    async close() {
      if (socket.destroyed) return;
      const closed = new Promise((resolve) => void socket.once('close', resolve));
      waiting = null;
      socket.end();
      await closed;
    },
  };
}
