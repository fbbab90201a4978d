// One question over HTTP: against servers that answer well, and against each way in which one can fail to.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Answer, type Ask, ask } from '../../src/delivery/ask.ts';
import { retryAfterOf } from '../../src/delivery/retry-after.ts';
import type { Address } from '../../src/policy/policy.ts';
import { openFolder } from '../support/folder.ts';
import { type Manner, answer, answerText, openActuator } from './actuator.ts';

function post(address: Address, timeout_ms = 2000, giveUp?: AbortSignal): Promise<Answer> {
  const what: Ask = { method: 'POST', address, headers: { 'content-type': 'application/json' }, body: '{"a":1}', timeout_ms };
  return ask(what, giveUp);
}

async function against(manner: Manner, timeout_ms = 2000): Promise<Answer> {
  await using actuator = await openActuator(manner);
  return await post(actuator.address, timeout_ms);
}

describe('a question', () => {
  it('is answered with the status, the type and the body, over TCP and over a unix socket', async () => {
    using folder = openFolder();
    for (const at of [null, join(folder.path, 's.sock')]) {
      await using actuator = await openActuator(answer(418, '{"é":1}'), at);
      expect(await post(actuator.address)).toEqual({
        ...{ status: 418, retry_after_ms: null, content_type: 'application/json', body: '{"é":1}' },
      });
      expect(actuator.requests[0]?.head).toMatch(/^POST \/do HTTP\/1\.1\r\n/);
      expect(actuator.requests[0]?.head.toLowerCase()).toContain('content-length: 7');
      expect(actuator.requests[0]?.body).toBe('{"a":1}');
    }
  });

  it('without a body sends none', async () => {
    await using actuator = await openActuator(answer(200));
    const asked: Ask = { method: 'GET', address: actuator.address, headers: {}, body: null, timeout_ms: 1000 };
    expect((await ask(asked)).body).toBe('');
    expect(actuator.requests[0]?.head).toMatch(/^GET /);
    expect(actuator.requests[0]?.head.toLowerCase()).not.toContain('content-length');
  });

  it('follows no redirect', async () => {
    await using elsewhere = await openActuator(answer(200));
    const { address } = elsewhere;
    if (address.over !== 'tcp') throw new Error('not TCP');
    const { status } = await against(answer(307, '', { location: `http://127.0.0.1:${address.port}/do` }));
    expect(status).toBe(307);
    expect(elsewhere.connections).toBe(0);
  });

  it.each([
    ['chunked', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', 'hello'],
    ['without a length, ended by the connection', 'HTTP/1.0 200 OK\r\n\r\nhello', 'hello'],
    ['behind a hint', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', 'hello'],
    ['with nothing in it', 'HTTP/1.1 204 No Content\r\n\r\n', ''],
  ])('takes an answer that is %s', async (_, text, body) => {
    expect((await against((socket) => socket.end(text))).body).toBe(body);
  });
});

describe('an answer that does not come', () => {
  const HANGS: [string, Manner][] = [
    ['at all', () => {}],
    ['beyond its status', (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-le')],
    ['beyond its headers', (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab')],
    ['but byte by byte', (socket) => drip(socket, answerText(200, 'x'.repeat(500)))],
    ['but header by header', (socket) => drip(socket, `HTTP/1.1 200 OK\r\n${'x-more: 1\r\n'.repeat(500)}`)],
  ];

  function drip(socket: Parameters<Manner>[0], text: string): void {
    let n = 0;
    const timer = setInterval(() => socket.write(text[n++] ?? ''), 5);
    socket.on('close', () => clearInterval(timer));
  }

  it.each(HANGS)('%s is given up in time', async (_, manner) => {
    const began = performance.now();
    await expect(against(manner, 300)).rejects.toThrow('no whole answer within 300 ms');
    expect(performance.now() - began).toBeLessThan(1500);
  });

  it('is given up when that is wanted, before, while and after it is asked', async () => {
    await using actuator = await openActuator(() => {});
    await expect(post(actuator.address, 5000, AbortSignal.abort())).rejects.toThrow('given up');
    expect(actuator.connections).toBe(0);
    await expect(post(actuator.address, 5000, AbortSignal.timeout(50))).rejects.toThrow('given up');
    actuator.manner = answer(200);
    const giveUp = new AbortController();
    expect((await post(actuator.address, 5000, giveUp.signal)).status).toBe(200);
    giveUp.abort();
  });

  it.each<[string, Manner, string]>([
    ['is reset', (socket) => socket.resetAndDestroy(), 'the connection was reset'],
    ['is closed instead', (socket) => socket.end(), 'the connection was reset'],
    ['is cut short', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab'), 'an answer that was cut short'],
    [
      'is reset halfway',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab', () => socket.resetAndDestroy()),
      'an answer that was cut short',
    ],
    ['is no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'an answer that is not HTTP'],
    ['has another protocol', (socket) => socket.write('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'), 'no answer'],
  ])('since it %s is told', async (_, manner, why) => {
    await expect(against(manner)).rejects.toThrow(why);
  });
});

describe('an answer that is too much', () => {
  it.each<[string, Manner, string]>([
    ['10 MB that are announced', answer(200, 'x'.repeat(10_000_000)), 'an answer of more than 65536 bytes'],
    [
      '10 MB that are not',
      (socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(10_000_000)}`),
      'an answer of more than 65536 bytes',
    ],
    ['64 KiB and a byte', answer(200, 'x'.repeat(65_537)), 'an answer of more than 65536 bytes'],
    ['20 KB of headers', answer(200, '', { 'x-long': 'x'.repeat(20_000) }), 'an answer with too long headers'],
    ['5,000 headers', (socket) => socket.end(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(5000)}\r\n`), 'an answer with too long headers'],
    [
      'trailers without end',
      (socket) => socket.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(100_000)}\r\n`),
      'an answer that was cut short',
    ],
    ['hints without end', (socket) => socket.write('HTTP/1.1 103 Early\r\n\r\n'.repeat(1000)), 'nothing but hints of an answer'],
    [
      'bytes that are no text',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe', 'latin1'),
      'an answer that is not UTF-8',
    ],
  ])('is refused: %s', async (_, manner, why) => {
    await expect(against(manner)).rejects.toThrow(why);
  });

  it('is taken up to 64 KiB', async () => {
    expect((await against(answer(200, 'x'.repeat(65_536)))).body).toHaveLength(65_536);
  });
});

describe('nobody', () => {
  const unix = (socket: string): Address => ({ over: 'unix', socket, path: '/' });

  it('is there, and it is told how', async () => {
    using folder = openFolder();
    const at = (name: string) => join(folder.path, name);
    mkdirSync(at('folder'));
    writeFileSync(at('file'), '');
    {
      // What a service leaves that was killed: the socket, and nobody behind it.
      await using gone = await openActuator(answer(200), at('gone.sock'));
      expect((await post(gone.address)).status).toBe(200);
      renameSync(at('gone.sock'), at('dead.sock'));
    }
    await expect(post(unix(at('none.sock')))).rejects.toThrow(/^the socket does not exist$/);
    await expect(post(unix(at('file/none.sock')))).rejects.toThrow(/^the socket does not exist$/);
    await expect(post(unix(at('folder')))).rejects.toThrow(/^is not a socket$/);
    await expect(post(unix(at('file')))).rejects.toThrow(/^is not a socket$/);
    await expect(post(unix(at('dead.sock')))).rejects.toThrow(/^connection refused$/);
    await expect(post(unix(at('x'.repeat(200))))).rejects.toThrow(/^it cannot be asked/);
  });

  it('listens on a port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await expect(post({ over: 'tcp', tls: false, host: '127.0.0.1', port, path: '/' })).rejects.toThrow(/^connection refused$/);
    await expect(post({ over: 'tcp', tls: false, host: 'no.such.name.invalid', port, path: '/' })).rejects.toThrow(
      /^its name is not known$/,
    );
  });

  it('is asked what HTTP cannot say', async () => {
    await expect(post({ over: 'tcp', tls: false, host: '127.0.0.1', port: 9, path: '/a b' })).rejects.toThrow(/^it cannot be asked \(ERR_/);
    const what: Ask = { method: 'GET', address: unix('/nowhere'), headers: { 'x-a': 'b\r\nc: d' }, body: null, timeout_ms: 100 };
    await expect(ask(what)).rejects.toThrow(/^it cannot be asked \(ERR_/);
  });

  it('speaks TLS where it is wanted', async () => {
    await using actuator = await openActuator(answer(200));
    const { address } = actuator;
    if (address.over !== 'tcp') throw new Error('not TCP');
    await expect(post({ ...address, tls: true }, 500)).rejects.toThrow(/no whole answer|it cannot be asked|reset/);
  });
});

describe('a connection', () => {
  it('is kept, and used again', async () => {
    await using actuator = await openActuator(answer(200));
    for (let i = 0; i < 5; i += 1) await post(actuator.address);
    expect(actuator.connections).toBe(1);
  });

  it('that its peer had closed is no failure: it is asked once more on a new one', async () => {
    await using actuator = await openActuator((socket, _, n) => {
      // The second request meets a server that closes just then, without a byte.
      if (n === 2) socket.resetAndDestroy();
      else socket.write(answerText(200));
    });
    await post(actuator.address);
    expect((await post(actuator.address)).status).toBe(200);
    expect(actuator.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });

  it('that its peer closes whenever it is used is a failure after the second time', async () => {
    await using actuator = await openActuator((socket, _, n) => (n === 1 ? socket.write(answerText(200)) : socket.end()));
    await post(actuator.address);
    await expect(post(actuator.address)).rejects.toThrow('the connection was reset');
    expect(actuator.requests).toHaveLength(3);
  });

  it('that was closed while it was idle is not noticed at all', async () => {
    await using actuator = await openActuator(answer(200));
    for (let i = 0; i < 20; i += 1) {
      expect((await post(actuator.address)).status).toBe(200);
      actuator.drop();
      if (i % 2 === 0) await sleep(2);
    }
    expect(actuator.requests).toHaveLength(20);
  });

  it('on which more was answered than was asked does not answer the next question', async () => {
    await using actuator = await openActuator((socket, _, n) => {
      socket.write(n === 1 ? answerText(200, 'first') + answerText(200, 'forged') : answerText(200, 'second'));
    });
    expect((await post(actuator.address)).body).toBe('first');
    await sleep(20);
    expect((await post(actuator.address)).body).toBe('second');
  });

  it('is shared by nobody that is asked elsewhere', async () => {
    await using one = await openActuator(answer(200, 'one'));
    await using other = await openActuator(answer(200, 'other'));
    for (let i = 0; i < 3; i += 1) {
      expect((await post(one.address)).body).toBe('one');
      expect((await post(other.address)).body).toBe('other');
    }
  });
});

describe('Retry-After', () => {
  const at = (header: string | undefined, date?: string) => retryAfterOf(header, date, () => Date.UTC(2026, 2, 13, 8, 0, 0));

  it.each<[string | undefined, string | undefined, number | null]>([
    [undefined, undefined, null],
    ['0', undefined, 0],
    ['120', undefined, 120_000],
    ['99999999', undefined, 3_600_000],
    ['9'.repeat(400), undefined, null],
    ['-5', undefined, null],
    ['1.5', undefined, null],
    ['soon', undefined, null],
    ['', undefined, null],
    ['Fri, 13 Mar 2026 08:00:30 GMT', undefined, 30_000],
    ['Fri, 13 Mar 2026 07:00:00 GMT', undefined, 0],
    ['Sun, 06 Nov 2094 08:49:37 GMT', undefined, 3_600_000],
    ['Fri, 99 Mar 2026 08:00:30 GMT', undefined, null],
    ['Fri, 13 Mar 2026 08:00:30 GMT', 'Fri, 13 Mar 2026 08:00:20 GMT', 10_000],
    ['Fri, 13 Mar 2026 08:00:30 GMT', 'yesterday', 30_000],
  ])('%j (at %j) is %j', (header, date, ms) => {
    expect(at(header, date)).toBe(ms);
  });

  it('is in the answer', async () => {
    expect((await against(answer(503, '', { 'retry-after': 7 }))).retry_after_ms).toBe(7000);
  });
});
