// Names of hosts: localhost is known without anybody being asked.

import { describe, expect, it } from 'vitest';
import { lookup } from '../../src/input/lookup.ts';

const ask = async (name: string, options: Parameters<typeof lookup>[1]) =>
  new Promise((resolve) => {
    lookup(name, options, (error, address, family) => resolve(error ? error.code : [address, family]));
  });

describe('localhost', () => {
  it.each(['localhost', 'LocalHost'])('%s is this machine, over IPv4 first', async (name) => {
    expect(await ask(name, {})).toEqual(['127.0.0.1', 4]);
    expect(await ask(name, { family: 6 })).toEqual(['::1', 6]);
    expect(await ask(name, { all: true })).toEqual([
      [
        { address: '127.0.0.1', family: 4 },
        { address: '::1', family: 6 },
      ],
      undefined,
    ]);
    expect(await ask(name, { all: true, family: 4 })).toEqual([[{ address: '127.0.0.1', family: 4 }], undefined]);
  });

  it('is the only one: an address is itself, and a name that nobody has is unknown', async () => {
    expect(await ask('127.0.0.2', {})).toEqual(['127.0.0.2', 4]);
    expect(await ask('no.such.host.invalid', {})).toMatch(/ENOTFOUND|EAI_AGAIN/);
  });
});
