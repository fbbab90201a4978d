// Files of the log as blocks of whole lines, for whoever reads a log of any size in bounded memory.

import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { Segment } from './verify.ts';

const LF = 0x0a;
const BLOCK_BYTES = 1024 * 1024;
/** A line that does not end within this is no record of ours; it comes as a block without a newline. */
const MAX_LINE_BYTES = 2 * 1024 * 1024;

/** Files of a log, to be verified in this order. */
export function segmentsIn(files: readonly string[]): Segment[] {
  return files.map((name) => ({ name, blocks: blocksOf(name) }));
}

/** The blocks of a file; each is good until the next is asked for. `.gz` is decompressed. */
export function blocksOf(path: string): AsyncIterable<Buffer> | Iterable<Buffer> {
  return path.endsWith('.gz') ? gathered(createReadStream(path).pipe(createGunzip({ chunkSize: BLOCK_BYTES }))) : plain(path);
}

function* plain(path: string): Generator<Buffer> {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(1 + MAX_LINE_BYTES + BLOCK_BYTES);
    let filled = 1;
    for (;;) {
      const got = readSync(fd, buffer, filled, Math.min(BLOCK_BYTES, buffer.length - filled), null);
      filled += got;
      const end = got === 0 || filled === buffer.length ? filled : buffer.lastIndexOf(LF, filled - 1) + 1;
      if (end > 1) {
        yield buffer.subarray(0, end);
        buffer.copy(buffer, 1, end, filled);
        filled -= end - 1;
      }
      if (got === 0) return;
    }
  } finally {
    closeSync(fd);
  }
}

async function* gathered(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(1);
  for await (const piece of stream) {
    const data = Buffer.concat([rest, piece]);
    const end = data.length > MAX_LINE_BYTES ? data.length : data.lastIndexOf(LF) + 1;
    if (end > 1) yield data.subarray(0, end);
    rest = end > 1 ? Buffer.concat([Buffer.alloc(1), data.subarray(end)]) : data;
  }
  if (rest.length > 1) yield rest;
}
