// A body as lines, read while it comes, with never more than one unfinished line in memory.

import type { IncomingMessage } from 'node:http';
import { RecorderError } from '../errors.ts';
import { createPatience } from './patience.ts';

const LF = 0x0a;
const CR = 0x0d;
const NOTHING: Buffer = Buffer.alloc(0);

export interface LineBounds {
  /** Of the whole body. What comes after is dropped, and told as one last line that is too long. */
  readonly maxBytes: number;
  readonly maxLineBytes: number;
}

/**
 * For each piece that arrives, the lines that it ends, without their line ends; null stands for a line that is too long.
 * Whoever stops early leaves the rest unread on the connection.
 * @throws RecorderError "malformed_request" when the connection ends before the body does, "request_timeout" when it is too slow
 */
export async function* linesOf(incoming: IncomingMessage, { maxBytes, maxLineBytes }: LineBounds): AsyncGenerator<(Buffer | null)[]> {
  let rest = NOTHING;
  let overlong = false;
  let bytes = 0;
  for await (const piece of piecesOf(incoming)) {
    bytes += piece.length;
    if (bytes > maxBytes) {
      yield [null];
      return;
    }
    const lines: (Buffer | null)[] = [];
    let from = 0;
    for (let lf = piece.indexOf(LF); lf >= 0; lf = piece.indexOf(LF, from)) {
      const line = overlong ? null : joined(rest, piece.subarray(from, lf));
      lines.push(line && bounded(trimmed(line), maxLineBytes));
      rest = NOTHING;
      overlong = false;
      from = lf + 1;
    }
    rest = overlong ? rest : Buffer.concat([rest, piece.subarray(from)]);
    if (rest.length > maxLineBytes + 1) [rest, overlong] = [NOTHING, true];
    if (lines.length > 0) yield lines;
  }
  if (overlong) yield [null];
  else if (rest.length > 0) yield [bounded(trimmed(rest), maxLineBytes)];
}

async function* piecesOf(incoming: IncomingMessage): AsyncGenerator<Buffer> {
  const pieces = incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
  const patience = createPatience(incoming);
  for (;;) {
    const next = pieces.next().catch(() => {
      throw new RecorderError('malformed_request', 'the connection ended before the body did');
    });
    const came = await patience.wait(next);
    if (came.done === true) return;
    yield came.value;
  }
}

/** Most lines lie within one piece, and need no copy. */
function joined(rest: Buffer, end: Buffer): Buffer {
  return rest.length === 0 ? end : Buffer.concat([rest, end]);
}

function bounded(line: Buffer, max: number): Buffer | null {
  return line.length > max ? null : line;
}

function trimmed(line: Buffer): Buffer {
  return line[line.length - 1] === CR ? line.subarray(0, -1) : line;
}
