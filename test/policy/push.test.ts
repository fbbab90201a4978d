// Where commands may be sent: sockets and literal loopback addresses, and nothing that only looks like one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLocal, parsePush } from '../../src/policy/push.ts';

const fault = (text: string, remote = false) => {
  const read = parsePush(text, remote);
  return 'fault' in read ? read.fault : `taken: ${JSON.stringify(read)}`;
};

describe('an address of this machine', () => {
  it.each([
    ['unix:/run/a.sock:/api/v1/freeze', { over: 'unix', socket: '/run/a.sock', path: '/api/v1/freeze' }],
    ['unix:/a:/', { over: 'unix', socket: '/a', path: '/' }],
    [`unix:/${'a'.repeat(106)}:/x`, { over: 'unix', socket: `/${'a'.repeat(106)}`, path: '/x' }],
    ['http://127.0.0.1:8490/api/v1/disable', { over: 'tcp', tls: false, host: '127.0.0.1', port: 8490, path: '/api/v1/disable' }],
    ['http://127.255.1.2/x', { over: 'tcp', tls: false, host: '127.255.1.2', port: 80, path: '/x' }],
    ['https://127.0.0.1/x', { over: 'tcp', tls: true, host: '127.0.0.1', port: 443, path: '/x' }],
    ['http://[::1]:65535/x', { over: 'tcp', tls: false, host: '::1', port: 65_535, path: '/x' }],
    ['http://[0:0:0:0:0:0:0:1]:1/', { over: 'tcp', tls: false, host: '::1', port: 1, path: '/' }],
    ['http://[::ffff:127.0.0.1]:8490/x', { over: 'tcp', tls: false, host: '127.0.0.1', port: 8490, path: '/x' }],
  ])('%s', (text, address) => {
    expect(parsePush(text, false)).toEqual(address);
    expect(parsePush(text, true)).toEqual(address);
  });
});

describe('an address elsewhere', () => {
  const LOCAL = 'must be a unix socket or a literal loopback address (127.0.0.0/8, [::1]) unless allow_remote is true';
  it.each([
    ['http://10.0.0.1:8490/x', { host: '10.0.0.1', port: 8490, tls: false }],
    ['http://0.0.0.0:8490/x', { host: '0.0.0.0' }],
    ['http://[::]:8490/x', { host: '::' }],
    ['http://[::ffff:10.0.0.1]:8490/x', { host: '10.0.0.1' }],
    ['http://localhost:8490/x', { host: 'localhost' }],
    ['http://LOCALHOST/x', { host: 'localhost' }],
    ['http://127.0.0.1.nip.io/x', { host: '127.0.0.1.nip.io' }],
    ['https://airlock.example.org/x', { host: 'airlock.example.org', port: 443, tls: true }],
    ['http://airlock_1/x', { host: 'airlock_1' }],
    ['http://example.org./x', { host: 'example.org.' }],
  ])('%s only where that is allowed', (text, address) => {
    expect(fault(text)).toBe(LOCAL);
    expect(parsePush(text, true)).toMatchObject({ over: 'tcp', ...address });
  });
});

describe('no address', () => {
  const FORMS = '"unix:/path.sock:/http/path" or "http://127.0.0.1:8490/path"';
  const NONE = `has an address that is none; write it in full, as in ${FORMS}`;
  const QUERY = 'must have no query, fragment or backslash; what is secret goes into secret or token';
  const PORT = 'must have a port from 1 to 65535';
  it.each([
    ['', `must be ${FORMS}, in at most`],
    ['http://127.0.0.1/a b', `must be ${FORMS}, in at most`],
    ['http://127.0.0.1/ä', `must be ${FORMS}, in at most`],
    ['http://127.0.0.1/\n', `must be ${FORMS}, in at most`],
    [`http://127.0.0.1/${'a'.repeat(1024)}`, `must be ${FORMS}, in at most`],
    ['ftp://127.0.0.1/x', `must be ${FORMS}`],
    ['HTTP://127.0.0.1/x', `must be ${FORMS}`],
    ['//127.0.0.1/x', `must be ${FORMS}`],
    ['127.0.0.1:8490', `must be ${FORMS}`],
    ['http:/127.0.0.1/x', `must be ${FORMS}`],
    ['http://127.0.0.1:8490', `must have a path, as in ${FORMS}`],
    ['http://127.0.0.1:8490?a=/b', QUERY],
    ['http://127.0.0.1:8490/x?token=1', QUERY],
    ['http://127.0.0.1:8490/x#y', QUERY],
    ['http://127.0.0.1\\@evil/x', QUERY],
    ['http://user:password@127.0.0.1/x', 'must have no user or password; they go into token'],
    ['http://127.0.0.1@10.0.0.1/x', 'must have no user or password; they go into token'],
    ['http:///x', `must have an address, as in ${FORMS}`],
    ['http://:80/x', `must have an address, as in ${FORMS}`],
    ['http://[]/x', `must have an address, as in ${FORMS}`],
    ['http://[::1/x', `must have an address, as in ${FORMS}`],
    ['http://::1/x', `must have an address, as in ${FORMS}`],
    ['http://1::1/x', PORT],
    ['http://127.1/x', NONE],
    ['http://127.1:80/x', NONE],
    ['http://0x7f.1/x', NONE],
    ['http://0x7f000001/x', NONE],
    ['http://2130706433/x', NONE],
    ['http://127.0.0.01/x', NONE],
    ['http://0177.0.0.1/x', NONE],
    ['http://127.0.0.1./x', NONE],
    ['http://[127.0.0.1]/x', NONE],
    ['http://[localhost]/x', NONE],
    ['http://[::1%lo]/x', NONE],
    ['http://[::g]/x', NONE],
    ['http://a..b/x', NONE],
    ['http://-a/x', NONE],
    ['http://a%2e/x', NONE],
    [`http://${'a.'.repeat(130)}b/x`, NONE],
    ['http://127.0.0.1:/x', PORT],
    ['http://127.0.0.1:0/x', PORT],
    ['http://127.0.0.1:65536/x', PORT],
    ['http://127.0.0.1:080/x', PORT],
    ['http://127.0.0.1:80:80/x', PORT],
    ['http://127.0.0.1:+80/x', PORT],
    ['unix:', 'must be unix:, the absolute path of the socket'],
    ['unix:run/a.sock:/x', 'must be unix:, the absolute path of the socket'],
    ['unix:/run/a.sock', 'must be unix:, the absolute path of the socket'],
    ['unix:/run/a.sock:x', 'must be unix:, the absolute path of the socket'],
    ['unix://run/a.sock', 'must be unix:, the absolute path of the socket'],
    ['unix:/run/a:/b:/x', 'must have one :/ that tells the socket from the path of the request'],
    [`unix:/${'a'.repeat(107)}:/x`, 'has a socket path of more than 107 bytes, which the kernel does not take'],
  ])('%s', (text, expected) => {
    expect(fault(text, true)).toContain(expected);
    expect(fault(text)).toContain(expected);
  });

  it('is sent anything to but this machine while it is not allowed, whatever the text', () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6().map((ip) => `[${ip}]`),
      fc.domain(),
      fc.string({ unit: 'grapheme-ascii', maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.constantFrom('http://', 'https://'), host, fc.constantFrom('', ':80', '@127.0.0.1', ':x'), (scheme, name, tail) => {
        const text = `${scheme}${name}${tail}/x`;
        const read = parsePush(text, false);
        if ('fault' in read || read.over === 'unix') return;
        expect(isLocal(read)).toBe(true);
        expect(new URL(text).hostname.replaceAll(/[[\]]/g, '')).toMatch(/^(127\.\d+\.\d+\.\d+|::1|::ffff:7f[0-9a-f]{2}:[0-9a-f]+)$/);
      }),
      { numRuns: 3000 },
    );
  });
});

it('what only this machine can hear', () => {
  const local = (text: string) => {
    const read = parsePush(text, true);
    return 'fault' in read ? null : isLocal(read);
  };
  expect([local('unix:/a:/b'), local('http://127.0.0.9/'), local('http://[::1]/')]).toEqual([true, true, true]);
  expect([local('http://localhost/'), local('http://10.0.0.1/'), local('http://0.0.0.0/')]).toEqual([false, false, false]);
});
