// Addresses and networks: what is one, what only looks like one, and that one address has one form.

import { BlockList, isIP, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ip, carriedIn, formatIp, isOfOneHost, isWithin, parseIp, parseNetwork } from '../../src/incident/ip.ts';

const formOf = (text: string) => {
  const ip = parseIp(text);
  return ip && formatIp(ip);
};

describe('an address', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['10.0.0.1', '10.0.0.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::0:1:1:1:1', '2001:db8::1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['::10.0.0.1', '::a00:1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
    ['0000:0000:0000:0000:0000:ffff:255.255.255.255', '255.255.255.255'],
  ])('%s is %s', (text, form) => {
    expect(formOf(text)).toBe(form);
  });

  it.each([
    ...['', ' ', '10.0.0.1 ', ' 10.0.0.1', '10.0.0.1\n', '10.0.0', '10.0.0.1.', '.10.0.0.1', '10..0.1', '10.0.0.1.2'],
    ...[
      '010.0.0.1',
      '10.0.0.01',
      '00.0.0.0',
      '256.0.0.1',
      '10.0.0.-1',
      '+1.0.0.1',
      '1e1.0.0.1',
      '127.1',
      '0x7f.1',
      '0x7f.0.0.1',
      '2130706433',
    ],
    ...[
      '10.0.0.1/32',
      '10.0.0.1:80',
      '[::1]',
      '::1%lo',
      'fe80::1%eth0',
      '::1/128',
      ':',
      ':::',
      '1:::2',
      '::1::',
      '1::2::3',
      ':1:2:3:4:5:6:7',
    ],
    ...[
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4::5:6:7:8',
      '1:2:3:4:5:6:7:8::',
      '::1:2:3:4:5:6:7:8',
      '12345::',
      'g::',
      '::-1',
      ':: 1',
    ],
    ...['::10.0.0', '::010.0.0.1', '::10.0.0.1:1', '10.0.0.1::', '1:2:3:4:5:6:7:1.2.3.4', '::ffff:10.0.0.256', '::ffff:127.1'],
    ...['１０.0.0.1', '10。0。0。1', 'localhost', '10.0.0.1\0', '١.0.0.1', `${'0'.repeat(50)}::1`],
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  const octet = fc.integer({ min: 0, max: 255 });
  const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
  const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }));
  const v6 = fc.oneof(
    fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.map((each) => each.toString(16)).join(':')),
    fc
      .tuple(fc.array(group, { maxLength: 4 }), fc.array(group, { maxLength: 3 }))
      .map((parts) => parts.map((groups) => groups.map((each) => each.toString(16).padStart(4, '0')).join(':')).join('::')),
    fc.tuple(fc.constantFrom('::', '::ffff:', '64:ff9b::', '1:2:3:4:5:6:'), v4).map((parts) => parts.join('')),
  );
  const anything = fc.oneof(
    v4,
    v6,
    fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%/x'.split('')), maxLength: 48 }),
    fc.string(),
  );

  it('is exactly what node takes for one, but for zones', () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(parseIp(text) !== null).toBe(isIP(text) !== 0 && !text.includes('%'));
      }),
      { numRuns: 5000 },
    );
  });

  it('has the form that a URL gives it, and the form of that is itself', () => {
    fc.assert(
      fc.property(fc.oneof(v4, v6), (text) => {
        const form = formOf(text) ?? '';
        expect(formOf(form)).toBe(form);
        const url = new URL(`http://${text.includes(':') ? `[${text}]` : text}`).hostname.replaceAll(/[[\]]/g, '');
        const mapped = /^::ffff:(?<high>[0-9a-f]+):(?<low>[0-9a-f]+)$/.exec(url)?.groups;
        const words = [mapped?.['high'], mapped?.['low']].map((word) => Number.parseInt(word ?? '', 16));
        expect(form).toBe(mapped ? words.flatMap((word) => [word >> 8, word & 255]).join('.') : url);
      }),
      { numRuns: 2000 },
    );
  });

  it('is within a network exactly when node says so', () => {
    const families = (text: string) => (isIPv4(text) ? 'ipv4' : 'ipv6');
    fc.assert(
      fc.property(fc.oneof(v4, v6), fc.oneof(v4, v6), fc.nat(128), fc.boolean(), (one, other, prefix, near) => {
        const net = parseIp(one) as Ip;
        const bits = Math.min(prefix, net.words.length * 16);
        const zeroed = net.words.map((word, i) => word & (0xffff << Math.max(0, Math.min(16, 16 - (bits - i * 16)))) & 0xffff);
        const start = formatIp({ version: net.version, words: zeroed });
        const network = parseNetwork(`${start}/${bits}`);
        // What is left of it may be a mapped address, which has fewer bits.
        fc.pre(network !== null && network.ip.version === net.version);
        const ip = near ? net : (parseIp(other) as Ip);
        const target = formatIp(ip);
        const list = new BlockList();
        list.addSubnet(start, bits, families(start));
        expect(isWithin(network, ip)).toBe(list.check(target, families(target)));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a network', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0', 8],
    ['0.0.0.0/0', '0.0.0.0', 0],
    ['10.1.2.3', '10.1.2.3', 32],
    ['10.1.2.3/32', '10.1.2.3', 32],
    ['::/0', '::', 0],
    ['fe80::/10', 'fe80::', 10],
    ['::1/128', '::1', 128],
    ['::ffff:10.0.0.0/104', '10.0.0.0', 8],
    ['::ffff:0:0/96', '0.0.0.0', 0],
    ['::ffff:10.0.0.1', '10.0.0.1', 32],
  ])('%s is %s with %d bits', (text, start, bits) => {
    const network = parseNetwork(text);
    expect(network && { start: formatIp(network.ip), bits: network.bits }).toEqual({ start, bits });
  });

  it.each([
    ...['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', '10.0/16', '/8'],
    ...['::1/64', '::/129', '::/0x0', '::ffff:10.0.0.0/95', '::ffff:10.0.0.0/8', '10.0.0.0 /8', '010.0.0.0/8', ''],
  ])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeNull();
  });

  it.each<[string, string, boolean]>([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.1.1', true],
    ['192.168.1.128/25', '192.168.1.127', false],
    ['192.168.1.128/25', '192.168.1.128', true],
    ['::/0', '1.2.3.4', true],
    ['::/80', '1.2.3.4', true],
    ['::/95', '1.2.3.4', false],
    ['::1', '0.0.0.1', false],
    ['0.0.0.0/0', '::1', false],
    ['::ffff:0:0/96', '1.2.3.4', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
  ])('%s holds %s: %s', (network, address, expected) => {
    const [net, ip] = [parseNetwork(network), parseIp(address)];
    expect(net && ip && isWithin(net, ip)).toBe(expected);
  });
});

it.each([
  ['::ffff:10.0.0.1', null],
  ['10.0.0.1', null],
  ['::10.0.0.1', '10.0.0.1'],
  ['64:ff9b::10.0.0.1', '10.0.0.1'],
  ['64:ff9b:1::10.0.0.1', null],
  ['2002:a00:1::5', '10.0.0.1'],
  ['2001:db8::a00:1', null],
])('%s carries %s', (text, carried) => {
  const found = carriedIn(parseIp(text) as Ip);
  expect(found && formatIp(found)).toBe(carried);
});

it.each<[string, boolean]>([
  ['1.2.3.4', true],
  ['127.0.0.1', true],
  ['0.0.0.1', true],
  ['0.0.0.0', false],
  ['223.255.255.255', true],
  ['224.0.0.1', false],
  ['239.255.255.255', false],
  ['240.0.0.1', true],
  ['255.255.0.1', true],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', true],
  ['fe80::1', true],
  ['ff02::1', false],
  ['feff::1', true],
])('%s can be that of one host: %s', (text, expected) => {
  expect(isOfOneHost(parseIp(text) as Ip)).toBe(expected);
});
