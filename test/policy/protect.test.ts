// Protections: what falls under one, however it is spelt, and what does not.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActionName, Target, TargetType } from '../../src/incident/actions.ts';
import { carriedIn, formatIp, parseIp } from '../../src/incident/ip.ts';
import type { Protection } from '../../src/policy/policy.ts';
import { protectionsOf } from '../../src/policy/protect.ts';

const protection = (actions: ActionName[], targets: string[], line = 1): Protection => ({ actions, targets, with_approval: false, line });
const isProtected = (action: ActionName, targets: string[], type: TargetType, id: string) =>
  protectionsOf([protection([action], targets)], action, { type, id }).length > 0;

describe('an address', () => {
  const LISTED = ['127.0.0.0/8', '::1', '10.0.0.0/8', '192.168.1.7', '2001:db8::/32'];
  it.each<[string, boolean]>([
    ['127.0.0.1', true],
    ['127.255.255.254', true],
    ['10.1.2.3', true],
    ['11.0.0.1', false],
    ['9.255.255.255', false],
    ['192.168.1.7', true],
    ['192.168.1.8', false],
    ['::1', true],
    ['::2', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    // What carries a version 4 address by translation.
    ['::a00:1', true],
    ['64:ff9b::a00:1', true],
    ['2002:a00:1::', true],
    ['2002:b00:1::', false],
    ['64:ff9b::b00:1', false],
  ])('%s falls under the list: %s', (id, expected) => {
    expect(isProtected('block_ip', LISTED, 'ip', id)).toBe(expected);
    expect(isProtected('rate_limit', LISTED, 'ip', id)).toBe(expected);
  });

  it('falls under networks that are written as mapped ones, and under the widest of version 6', () => {
    for (const network of ['::ffff:10.0.0.0/104', '::ffff:10.1.2.3', '::/0', '0.0.0.0/0']) {
      expect(isProtected('block_ip', [network], 'ip', '10.1.2.3')).toBe(true);
    }
    expect(isProtected('block_ip', ['0.0.0.0/0'], 'ip', '2001:db8::1')).toBe(false);
  });

  it('that is protected is so in each spelling of it that is an address', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(octet, octet, octet, (b, c, d) => {
        const v4 = `10.${b}.${c}.${d}`;
        const hex = [10 * 256 + b, c * 256 + d].map((word) => word.toString(16)).join(':');
        for (const spelling of [
          v4,
          `::ffff:${v4}`,
          `::FFFF:${hex}`,
          `0:0:0:0:0:ffff:${v4}`,
          `::${v4}`,
          `64:ff9b::${v4}`,
          `2002:${hex}::1`,
        ]) {
          const ip = parseIp(spelling);
          expect(ip).not.toBeNull();
          expect(isProtected('block_ip', ['10.0.0.0/8'], 'ip', ip ? formatIp(ip) : '')).toBe(true);
          if (ip?.version === 6) expect(carriedIn(ip) && formatIp(carriedIn(ip) ?? ip)).toBe(v4);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a name', () => {
  it.each<[string[], string, boolean]>([
    [['root'], 'root', true],
    [['root'], 'Root', true],
    [['root'], 'ＲＯＯＴ', true],
    [['ROOT'], 'root', true],
    [['root'], 'root2', false],
    [['root'], 'roo', false],
    [['breakglass-*'], 'breakglass-1', true],
    [['breakglass-*'], 'BreakGlass-admin', true],
    [['breakglass-*'], 'breakglass-', true],
    [['breakglass-*'], 'breakglass', false],
    [['breakglass-*'], 'x-breakglass-1', false],
    [['a', 'b*'], 'b', true],
    [['*'], 'anybody', true],
    [['10.0.0.0/8'], '10.0.0.1', false],
  ])('%j protects user %s: %s', (targets, id, expected) => {
    expect(isProtected('suspend_user', targets, 'user', id)).toBe(expected);
  });

  it('of a user or session is not an address, and the other way round', () => {
    expect(isProtected('rate_limit', ['10.0.0.1', 'root'], 'user', '10.0.0.1')).toBe(true);
    expect(isProtected('rate_limit', ['10.0.0.0/8', 'root'], 'user', '10.0.0.1')).toBe(false);
    expect(isProtected('rate_limit', ['10.0.0.0/8', 'root'], 'session', 'root')).toBe(true);
  });

  it.each<[string, boolean]>([
    ['/models/base.gguf', true],
    ['/models//base.gguf', true],
    ['/models/./base.gguf', true],
    ['/models/x/../base.gguf', true],
    ['/../models/base.gguf', true],
    ['/models/base.gguf/', true],
    ['/Models/Base.gguf', true],
    ['/golden/a.gguf', true],
    ['/tmp/../golden/a.gguf', true],
    ['/models/other.gguf', false],
    ['models/base.gguf', false],
    ['/golden/../models/other.gguf', true],
    ['unknown', false],
  ])('of a model is its path without detours: %s is protected: %s', (id, expected) => {
    expect(isProtected('quarantine_model', ['/models/base.gguf', '/golden/*'], 'model', id)).toBe(expected);
  });
});

it('what is done to all is done to each that is protected', () => {
  expect(isProtected('freeze_agent', ['planner-1'], 'agent', '*')).toBe(true);
  expect(isProtected('disable_airlock', ['*'], 'airlock', '*')).toBe(true);
  expect(isProtected('freeze_agent', ['planner-1'], 'agent', 'planner-2')).toBe(false);
});

it('only the actions that are named are kept from it, and each protection that is hit is told, in order', () => {
  const target: Target = { type: 'ip', id: '10.0.0.1' };
  const list = [
    protection(['rate_limit'], ['10.0.0.0/8'], 1),
    protection(['block_ip', 'rate_limit'], ['10.0.0.1'], 2),
    protection(['block_ip'], ['*'], 3),
    protection(['block_ip'], ['11.0.0.0/8'], 4),
  ];
  const lines = (action: ActionName) => protectionsOf(list, action, target).map(({ line }) => line);
  expect(lines('block_ip')).toEqual([2, 3]);
  expect(lines('rate_limit')).toEqual([1, 2]);
  expect(lines('suspend_user')).toEqual([]);
});
