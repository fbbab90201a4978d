// IP addresses and networks, read so strictly that one address has one form: what is not exactly an address is none.

/** `words` of 16 bits: two for version 4, eight for version 6. */
export interface Ip {
  readonly version: 4 | 6;
  readonly words: readonly number[];
}

/** `bits` of its address count; those behind them are zero. */
export interface Network {
  readonly ip: Ip;
  readonly bits: number;
}

/** The longest there is: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`. */
const MAX_LENGTH = 45;
const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Null for what is no address: four decimal numbers without leading zeros, or RFC 4291 §2.2 without a zone. A version 4 address that is
 * mapped into version 6 (`::ffff:10.0.0.1`) is the version 4 address: nobody is somebody else by another spelling.
 */
export function parseIp(text: string): Ip | null {
  if (text.length > MAX_LENGTH) return null;
  const words = text.includes(':') ? wordsOf6(text) : wordsOf4(text);
  if (!words) return null;
  if (words.length === 2) return { version: 4, words };
  return isMapped(words) ? { version: 4, words: words.slice(6) } : { version: 6, words };
}

/** An address alone is the network of itself. Null for what is none, or has bits set behind its prefix. */
export function parseNetwork(text: string): Network | null {
  const [address = '', prefix, ...more] = text.split('/', 3);
  const ip = more.length > 0 ? null : parseIp(address);
  if (!ip) return null;
  const size = ip.words.length * 16;
  if (prefix === undefined) return { ip, bits: size };
  if (!OCTET.test(prefix)) return null;
  // The prefix of a mapped address counts the 96 bits before it.
  const bits = Number(prefix) - (ip.version === 4 && address.includes(':') ? 96 : 0);
  return bits >= 0 && bits <= size && hasZerosFrom(ip, bits) ? { ip, bits } : null;
}

/** A network of version 6 that is wide enough holds version 4 too, where it is mapped. */
export function isWithin({ ip: net, bits }: Network, { version, words }: Ip): boolean {
  if (net.version === 4 && version === 6) return false;
  const sought = net.version === version ? words : [...MAPPED, ...words];
  return net.words.every((word, i) => {
    const mask = maskOf(bits - i * 16);
    return (word & mask) === ((sought[i] ?? 0) & mask);
  });
}

const MAPPED = [0, 0, 0, 0, 0, 0xffff] as const;

/** The version 4 address that a version 6 one carries by a way of translation (compatible, NAT64, 6to4); null when it carries none. */
export function carriedIn({ version, words }: Ip): Ip | null {
  if (version === 4) return null;
  const head = words.slice(0, 6);
  const inTail = head.every((word) => word === 0) || head.join() === NAT64;
  if (inTail) return { version: 4, words: words.slice(6) };
  return words[0] === 0x2002 ? { version: 4, words: words.slice(1, 3) } : null;
}

const NAT64 = [0x64, 0xff9b, 0, 0, 0, 0].join();

/** Whether it can be that of one host: not the unspecified one, not multicast, not broadcast. */
export function isOfOneHost({ version, words: [first = 0, ...rest] }: Ip): boolean {
  if (first === 0 && rest.every((word) => word === 0)) return false;
  return version === 4 ? first < 0xe000 || (first >= 0xf000 && !(first === 0xffff && rest[0] === 0xffff)) : first < 0xff00;
}

/** Dotted decimal, or the form of RFC 5952: the one way to write it. */
export function formatIp({ version, words }: Ip): string {
  if (version === 4) return words.flatMap((word) => [word >> 8, word & 0xff]).join('.');
  const { from, length } = longestZeros(words);
  const hex = words.map((word) => word.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`;
}

function wordsOf4(text: string): number[] | null {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet) && Number(octet) <= 255)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = octets.map(Number);
  return [a * 256 + b, c * 256 + d];
}

function wordsOf6(text: string): number[] | null {
  const [before = '', after, ...more] = text.split('::');
  if (more.length > 0) return null;
  const head = groupsOf(before, after === undefined);
  const tail = after === undefined ? [] : groupsOf(after, true);
  if (!head || !tail) return null;
  const missing = 8 - head.length - tail.length;
  if (after === undefined ? missing !== 0 : missing < 1) return null;
  return [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** @param last whether the address ends with them: then the last may be dotted decimal */
function groupsOf(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const dotted = last && groups.at(-1)?.includes('.') ? wordsOf4(groups.pop() ?? '') : [];
  if (!dotted || !groups.every((group) => GROUP.test(group))) return null;
  return [...groups.map((group) => Number.parseInt(group, 16)), ...dotted];
}

function isMapped(words: readonly number[]): boolean {
  return MAPPED.every((word, i) => word === words[i]);
}

function hasZerosFrom({ words }: Ip, bits: number): boolean {
  return words.every((word, i) => (word & ~maskOf(bits - i * 16) & 0xffff) === 0);
}

/** The first `bits` of a word. */
function maskOf(bits: number): number {
  return bits >= 16 ? 0xffff : bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

/** The first of the longest. */
function longestZeros(words: readonly number[]): { from: number; length: number } {
  let best = { from: 0, length: 0 };
  for (let from = 0; from < words.length; from += 1) {
    let length = 0;
    while (words[from + length] === 0) length += 1;
    if (length > best.length) best = { from, length };
    from += length;
  }
  return best;
}
