// Bodies as lines: however they are cut into pieces, and never more than the bounds.

import { once } from 'node:events';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from '../../src/http/lines.ts';
import { chunk, connectRaw, requestText } from '../support/raw.ts';

/** What linesOf makes of a body that comes in these pieces, through a real request. */
async function linesIn(pieces: readonly (string | Buffer)[], bounds = { maxBytes: 1000, maxLineBytes: 100 }): Promise<(string | null)[]> {
  let found: Promise<(string | null)[]> = Promise.resolve([]);
  const server = createServer((incoming, outgoing) => {
    found = collect(incoming, bounds).finally(() => outgoing.end());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    using connection = await connectRaw((server.address() as AddressInfo).port);
    connection.send(requestText('POST', '/', { headers: { 'transfer-encoding': 'chunked', connection: 'close' } }));
    for (const piece of pieces) if (piece.length > 0) connection.send(chunk(piece));
    connection.send('0\r\n\r\n');
    await connection.closed();
    return await found;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function collect(incoming: IncomingMessage, bounds: { maxBytes: number; maxLineBytes: number }): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const some of linesOf(incoming, bounds)) lines.push(...some.map((line) => line?.toString('latin1') ?? null));
  return lines;
}

describe('lines', () => {
  it.each<[string, string[], (string | null)[]]>([
    ['end with LF', ['a\nb\n'], ['a', 'b']],
    ['end with CR LF', ['a\r\nb\r\n'], ['a', 'b']],
    ['may lack the last end', ['a\nb'], ['a', 'b']],
    ['may be empty', ['\n\na\n\n'], ['', '', 'a', '']],
    ['may come in pieces', ['a', 'b\nc', '', 'd\n'], ['ab', 'cd']],
    ['keep a CR that ends no line', ['a\rb\n'], ['a\rb']],
    ['are none in an empty body', [], []],
    ['of 100 bytes are taken', ['x'.repeat(100), '\n'], ['x'.repeat(100)]],
    ['of 100 bytes and CR LF are taken', [`${'x'.repeat(100)}\r\n`], ['x'.repeat(100)]],
    ['of 101 bytes are too long, and spoil only themselves', [`a\n${'x'.repeat(101)}\nb\n`], ['a', null, 'b']],
    ['of 101 bytes are too long in pieces too', ['a\n', 'x'.repeat(60), 'x'.repeat(60), 'x'.repeat(60), '\nb\n'], ['a', null, 'b']],
    ['of 101 bytes without an end are too long', ['a\n', 'x'.repeat(101)], ['a', null]],
  ])('%s', async (_, pieces, wanted) => {
    expect(await linesIn(pieces)).toEqual(wanted);
  });

  it('stop where the body outgrows its bound, and say so by one that is too long', async () => {
    const lines = await linesIn(Array.from({ length: 30 }, () => `${'x'.repeat(49)}\n`));
    expect(lines.at(-1)).toBeNull();
    expect(lines.slice(0, -1).every((line) => line === 'x'.repeat(49))).toBe(true);
    expect(lines.length).toBeLessThanOrEqual(21);
  });

  it('are the same however the body is cut', async () => {
    const text = fc.stringMatching(/^[ab\r\n]{0,60}$/);
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(60), { maxLength: 6 }), async (body, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < body.length).sort((a, b) => a - b), body.length];
        const pieces = at.slice(1).map((end, i) => body.slice(at[i], end));
        const whole = body.split('\n');
        if (whole.at(-1) === '') whole.pop();
        expect(await linesIn(pieces)).toEqual(whole.map((line) => line.replace(/\r$/, '')));
      }),
      { numRuns: 60 },
    );
  });
});
