// Small files of others: what is no plain, small, readable text file is refused, and nothing makes the reader wait.

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readSmallFile, refuseWorldReadable } from '../../src/input/file.ts';
import { openFolder } from '../support/folder.ts';
import { refusalOf } from '../support/refusal.ts';

const reasonFor = (path: string, max = 1024) => {
  const { code, message } = refusalOf(() => readSmallFile(path, max));
  expect(code).toBe('invalid_configuration');
  expect(message.startsWith(`${path}: `), message).toBe(true);
  return message.slice(path.length + 2);
};

/** Root may read everything: what is to be refused is asked for by nobody. */
function withoutPrivilege<T>(run: () => T): T {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65_534);
  try {
    return run();
  } finally {
    process.seteuid?.(0);
  }
}

describe('a small file', () => {
  it('is its text and its mode', () => {
    using folder = openFolder();
    expect(readSmallFile(folder.file('a', 'grüße\n', 0o640), 1024)).toEqual({ text: 'grüße\n', mode: 0o640 });
    expect(readSmallFile(folder.file('b', ''), 1024)).toEqual({ text: '', mode: 0o600 });
  });

  it('is null when it is not there, nor what a link points at', () => {
    using folder = openFolder();
    expect(readSmallFile(join(folder.path, 'none'), 1024)).toBeNull();
    expect(readSmallFile(join(folder.path, 'no/such/folder'), 1024)).toBeNull();
    symlinkSync(join(folder.path, 'none'), join(folder.path, 'link'));
    expect(readSmallFile(join(folder.path, 'link'), 1024)).toBeNull();
  });

  it('may be reached by a link, as configuration often is', () => {
    using folder = openFolder();
    symlinkSync(folder.file('real', 'text'), join(folder.path, 'link'));
    expect(readSmallFile(join(folder.path, 'link'), 1024)).toMatchObject({ text: 'text' });
  });

  it('may be as large as the bound, and not one byte larger', () => {
    using folder = openFolder();
    expect(readSmallFile(folder.file('a', 'x'.repeat(1024)), 1024)?.text).toHaveLength(1024);
    expect(reasonFor(folder.file('b', 'x'.repeat(1025)))).toBe('is 1025 bytes; at most 1024 are read');
  });

  it('keeps its byte order mark, so that its text has the hash of the file', () => {
    using folder = openFolder();
    expect(readSmallFile(folder.file('a', '\ufefftext'), 1024)?.text).toBe('\ufefftext');
  });
});

describe('what is no small file', () => {
  it('is refused when it is huge, before a byte of it is read', () => {
    using folder = openFolder();
    const path = folder.file('huge', '');
    truncateSync(path, 10 * 2 ** 40);
    expect(reasonFor(path)).toBe('is 10995116277760 bytes; at most 1024 are read');
  });

  it('is refused when it turns out longer than it says', () => {
    expect(reasonFor('/proc/self/status', 64)).toBe('is longer than 64 bytes');
  });

  it('is refused when it has no size and no end', () => {
    expect(reasonFor('/dev/zero')).toBe('is not a regular file');
  });

  it('is refused when it is a pipe that nobody writes to: nothing waits', () => {
    using folder = openFolder();
    const path = join(folder.path, 'pipe');
    execFileSync('mkfifo', [path]);
    expect(reasonFor(path)).toBe('is not a regular file');
  });

  it('is refused when it is a folder', () => {
    using folder = openFolder();
    mkdirSync(join(folder.path, 'folder'));
    expect(reasonFor(join(folder.path, 'folder'))).toBe('is not a regular file');
  });

  it('is refused when it is a socket', async () => {
    using folder = openFolder();
    const path = join(folder.path, 'socket');
    const server = createServer().listen(path);
    await once(server, 'listening');
    expect(reasonFor(path)).toBe('cannot be opened: ENXIO');
    server.close();
  });

  it('is refused when the way to it leads through a file, or in a circle', () => {
    using folder = openFolder();
    expect(reasonFor(join(folder.file('file', ''), 'below'))).toBe('cannot be opened: ENOTDIR');
    symlinkSync('circle', join(folder.path, 'circle'));
    expect(reasonFor(join(folder.path, 'circle'))).toBe('cannot be opened: ELOOP');
  });

  it.each([
    ['Latin-1', [0x67, 0xfc]],
    ['a character cut short', [0xe2, 0x82]],
    ['a surrogate in UTF-8', [0xed, 0xa0, 0x80]],
    ['UTF-16', [0xff, 0xfe, 0x61, 0x00]],
    ['an overlong form', [0xc0, 0xaf]],
  ])('is refused when it is not UTF-8: %s', (_, bytes) => {
    using folder = openFolder();
    expect(reasonFor(folder.file('a', Uint8Array.from(bytes)))).toBe('is not UTF-8 text');
  });

  it('is refused when it may not be read', () => {
    using folder = openFolder();
    const path = folder.file('a', 'text', 0o000);
    expect(withoutPrivilege(() => reasonFor(path))).toBe('cannot be read: permission denied');
  });
});

describe('a secret', () => {
  it.each([0o600, 0o640, 0o660, 0o400, 0o440])('may have the mode %o', (mode) => {
    expect(() => refuseWorldReadable('token', { text: '', mode })).not.toThrow();
  });

  it.each([0o604, 0o644, 0o664, 0o444, 0o004])('is refused with the mode %o, and told what to do', (mode) => {
    const { code, message } = refusalOf(() => refuseWorldReadable('/run/token', { text: '', mode }));
    expect(code).toBe('invalid_configuration');
    expect(message).toBe(`/run/token: is readable by everyone (mode ${mode.toString(8)}); chmod 600 it`);
  });
});
