// The answer to a request of ours, read whole: in UTF-8 and within bounds, or one sentence why not.

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';

const MAX_BYTES = 64 * 1024;

/** Calls one of both at least once; what comes after the first call says nothing. */
export function readAnswer(response: IncomingMessage, whole: (body: string) => void, fault: (why: string) => void): void {
  const pieces: Buffer[] = [];
  let length = 0;
  const cut = () => fault('an answer that was cut short');
  response.on('data', (piece: Buffer) => {
    length += piece.length;
    if (length > MAX_BYTES) fault(`an answer of more than ${MAX_BYTES} bytes`);
    else pieces.push(piece);
  });
  response.on('error', cut);
  response.on('close', cut);
  response.on('end', () => {
    const bytes = Buffer.concat(pieces);
    if (isUtf8(bytes)) whole(bytes.toString());
    else fault('an answer that is not UTF-8');
  });
}
