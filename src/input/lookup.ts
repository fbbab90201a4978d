// From the name of a host to its addresses: localhost is this machine, and nobody needs to be asked for it (RFC 6761, 6.3).

import { type LookupAddress, lookup as ask } from 'node:dns';
import type { LookupFunction } from 'node:net';

const LOCALHOST: LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/** In a sandbox without a resolver, and without /etc/hosts, every other name is unknown. */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (hostname.toLowerCase() !== 'localhost') return ask(hostname, options, callback);
  const found = options.family === 4 || options.family === 6 ? LOCALHOST.filter(({ family }) => family === options.family) : LOCALHOST;
  const [first] = found;
  if (options.all) callback(null, found);
  else callback(null, first?.address ?? '', first?.family);
};
