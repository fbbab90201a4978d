// Where a command may be sent: a unix socket, or a literal address of this machine; further away only when that is said.

import { formatIp, isWithin, parseIp, parseNetwork } from '../incident/ip.ts';
import type { Address } from './policy.ts';

const LOOPBACK = ['127.0.0.0/8', '::1'].map((text) => parseNetwork(text)).filter((network) => network !== null);
/** What the kernel takes as the path of a socket, in bytes. */
const MAX_SOCKET_PATH = 107;
const MAX_LENGTH = 1024;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** As the last label of a name it would make an address of it (WHATWG URL, "ends in a number"). */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;

const FORMS = '"unix:/path.sock:/http/path" or "http://127.0.0.1:8490/path"';

/**
 * The address that the text names, or what is wrong with it. It is not handed to a URL parser, which would make `127.0.0.1` out of `127.1`.
 * @param allowRemote whether it may lead to another machine
 */
export function parsePush(text: string, allowRemote: boolean): Address | { readonly fault: string } {
  if (text.length > MAX_LENGTH || !/^[\x21-\x7e]+$/.test(text))
    return { fault: `must be ${FORMS}, in at most ${MAX_LENGTH} visible ASCII characters` };
  if (/[?#\\]/.test(text)) return { fault: 'must have no query, fragment or backslash; what is secret goes into secret or token' };
  if (text.startsWith('unix:')) return socketIn(text.slice('unix:'.length));
  const scheme = ['http://', 'https://'].find((each) => text.startsWith(each));
  if (!scheme) return { fault: `must be ${FORMS}` };
  const rest = text.slice(scheme.length);
  const slash = rest.indexOf('/');
  if (slash < 0) return { fault: `must have a path, as in ${FORMS}` };
  const place = authorityIn(rest.slice(0, slash), scheme === 'https://', allowRemote);
  return 'fault' in place ? place : { over: 'tcp', tls: scheme === 'https://', ...place, path: rest.slice(slash) };
}

function socketIn(text: string): Address | { readonly fault: string } {
  const at = text.indexOf(':/');
  if (!text.startsWith('/') || at < 0)
    return { fault: 'must be unix:, the absolute path of the socket, : and the path of the request, as in "unix:/path.sock:/http/path"' };
  const [socket, path] = [text.slice(0, at), text.slice(at + 1)];
  if (path.includes(':/')) return { fault: 'must have one :/ that tells the socket from the path of the request' };
  if (socket.length > MAX_SOCKET_PATH)
    return { fault: `has a socket path of more than ${MAX_SOCKET_PATH} bytes, which the kernel does not take` };
  return { over: 'unix', socket, path };
}

function authorityIn(authority: string, tls: boolean, allowRemote: boolean): { host: string; port: number } | { readonly fault: string } {
  if (authority.includes('@')) return { fault: 'must have no user or password; they go into token' };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(authority) ?? [];
  const written = bracketed ?? plain;
  if (!written) return { fault: `must have an address, as in ${FORMS}` };
  const port = digits === undefined ? (tls ? 443 : 80) : portIn(digits);
  if (port === null) return { fault: 'must have a port from 1 to 65535' };
  const ip = bracketed === undefined || bracketed.includes(':') ? parseIp(written) : null;
  if (ip && LOOPBACK.some((network) => isWithin(network, ip))) return { host: formatIp(ip), port };
  if (!ip && (bracketed !== undefined || !isName(written)))
    return { fault: `has an address that is none; write it in full, as in ${FORMS}` };
  if (!allowRemote)
    return { fault: 'must be a unix socket or a literal loopback address (127.0.0.0/8, [::1]) unless allow_remote is true' };
  return { host: ip ? formatIp(ip) : written.toLowerCase(), port };
}

function portIn(digits: string): number | null {
  const port = /^[1-9]\d{0,4}$/.test(digits) ? Number(digits) : 0;
  return port >= 1 && port <= 65_535 ? port : null;
}

function isName(host: string): boolean {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.');
  return host.length <= 253 && labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1) ?? '');
}

/** Whether only this machine can hear what is sent there. */
export function isLocal(address: Address): boolean {
  if (address.over === 'unix') return true;
  const ip = parseIp(address.host);
  return ip !== null && LOOPBACK.some((network) => isWithin(network, ip));
}
