// The filter of system calls, run instruction by instruction: what it lets through, what it refuses, and that nothing gets by it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CALLS, processorOf } from '../../src/sandbox/calls.ts';
import { readProfile } from '../../src/sandbox/profile.ts';
import { encode, filterOf } from '../../src/sandbox/seccomp.ts';
import { judge } from './bpf.ts';

const [KILL, ALLOW] = [0x8000_0000, 0x7fff_0000];
const errno = (n: number) => 0x0005_0000 + n;
const [EPERM, ENOSYS] = [errno(1), errno(38)];

const PATH = join(import.meta.dirname, '../../systemd/seccomp.json');
const shipped = readProfile('seccomp.json', readFileSync(PATH, 'utf8'));
const ARCHITECTURES = ['x64', 'arm64'] as const;

describe.each(ARCHITECTURES)('the shipped profile on %s', (architecture) => {
  const processor = processorOf(architecture);
  const program = encode(filterOf(shipped, processor, 'errno'));
  const killing = encode(filterOf(shipped, processor, 'kill'));
  const ask = (name: string, words: bigint[] = [], filter = program) => {
    const number = processor.numberOf(name);
    if (number === null) throw new Error(`${name} is not on ${architecture}`);
    return judge(filter, { number, audit: processor.audit, words });
  };

  it('is as short as the kernel wants it', () => {
    expect(program.length / 8).toBeLessThan(4096);
  });

  it.each(['read', 'openat', 'execve', 'epoll_pwait', 'accept4', 'futex', 'fdatasync', 'exit_group', 'renameat2'])(
    'lets %s through',
    (name) => {
      expect(ask(name)).toBe(ALLOW);
    },
  );

  it('makes threads, and neither processes nor namespaces', () => {
    const [thread, process, user, network] = [0x3d0f00n, 0x01200011n, 0x10000000n, 0x40000000n];
    expect(ask('clone', [thread])).toBe(ALLOW);
    expect(ask('clone', [process])).toBe(EPERM);
    expect(ask('clone', [thread | user])).toBe(EPERM);
    expect(ask('clone', [thread | network])).toBe(EPERM);
    expect(ask('clone', [process], killing)).toBe(KILL);
  });

  it.each<[string, bigint[], number]>([
    ['a unix stream, whatever its flags', [1n, 0x80801n], ALLOW],
    ['TCP over IPv4', [2n, 0x80801n], ALLOW],
    ['TCP over IPv6', [10n, 1n], EPERM],
    ['a datagram over IPv4', [2n, 0x80802n], EPERM],
    ['a unix datagram', [1n, 2n], EPERM],
    ['a raw packet', [2n, 3n], EPERM],
    ['netlink', [16n, 3n], EPERM],
    ['a family whose high half is not zero', [0x1_0000_0001n, 1n], EPERM],
  ])('answers socket for %s', (_, words, answer) => {
    expect(ask('socket', words)).toBe(answer);
  });

  it.each<[string, string, bigint[], number]>([
    ['the name of a thread', 'prctl', [15n], ALLOW],
    ['another filter', 'prctl', [22n], EPERM],
    ['to be traced by anybody', 'prctl', [0x59616d61n], EPERM],
    ['a limit, to read it', 'prlimit64', [0n, 7n, 0n, 0x7ffe0000n], ALLOW],
    ['a limit, to set it', 'prlimit64', [0n, 7n, 0x7ffe0000n, 0n], EPERM],
    ['a limit, to set it from high up', 'prlimit64', [0n, 7n, 0x7ffe_0000_0000n, 0n], EPERM],
    ['whether it is a terminal', 'ioctl', [1n, 0x5401n], ALLOW],
    ['that it does not block', 'ioctl', [1n, 0x5421n], ALLOW],
    ['to put a character into a terminal', 'ioctl', [1n, 0x5412n], EPERM],
  ])('answers who asks for %s', (_, name, words, answer) => {
    expect(ask(name, words)).toBe(answer);
  });

  it('says of what it cannot look into that it is not there, also when it kills', () => {
    for (const filter of [program, killing]) {
      expect(ask('clone3', [], filter)).toBe(ENOSYS);
      expect(ask('io_uring_setup', [], filter)).toBe(ENOSYS);
      expect(ask('symlinkat', [], filter)).toBe(EPERM);
    }
  });

  it('refuses every number that the profile does not name, and kills for it when told to', () => {
    const named = new Set(shipped.rules.flatMap(({ names }) => names.map((name) => processor.numberOf(name))));
    for (let number = 0; number < 1024; number += 1) {
      if (named.has(number)) continue;
      expect(judge(program, { number, audit: processor.audit })).toBe(EPERM);
      expect(judge(killing, { number, audit: processor.audit })).toBe(KILL);
    }
  });

  it('kills who calls by the numbers of another processor, also of x32', () => {
    for (const audit of [0x40000003, 0xc00000b7, 0xc000003e, 0xc00000f3].filter((each) => each !== processor.audit)) {
      expect(judge(program, { number: 0, audit })).toBe(KILL);
    }
    expect(judge(program, { number: 0x4000_0000, audit: processor.audit })).toBe(EPERM);
  });
});

describe('any profile', () => {
  const names = Object.keys(CALLS);
  const condition = fc.record({ index: fc.nat(5), mask: fc.bigInt(0n, 2n ** 64n - 1n), seen: fc.bigInt(0n, 2n ** 64n - 1n) });
  const rule = fc.record({
    names: fc.subarray(names, { minLength: 1, maxLength: 6 }),
    conditions: fc.array(
      condition.map(({ index, mask, seen }) => ({ index, mask, wanted: seen & mask })),
      { maxLength: 3 },
    ),
    answer: fc.oneof(fc.constant('allow' as const), fc.record({ errno: fc.nat(4095) })),
  });
  const profile = fc.record({ errno: fc.nat(4095), rules: fc.array(rule, { maxLength: 12 }) });
  const few = fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 64n - 1n);
  const call = fc.record({
    name: fc.constantFrom(...names),
    words: fc.array(fc.oneof(few, fc.bigInt(0n, 2n ** 64n - 1n)), { minLength: 6, maxLength: 6 }),
  });

  it('is answered by the first rule for the call whose conditions all hold, and else by the default', () => {
    fc.assert(
      fc.property(profile, call, fc.constantFrom(...ARCHITECTURES), fc.boolean(), (given, { name, words }, architecture, fits) => {
        const processor = processorOf(architecture);
        const number = processor.numberOf(name);
        if (number === null) return;
        const first = given.rules.find((each) => each.names.includes(name));
        // Half of them are made to fit, or hardly any would.
        const shown = [...words];
        if (fits) for (const { index, mask, wanted } of first?.conditions ?? []) shown[index] = ((shown[index] ?? 0n) & ~mask) | wanted;
        const holds = given.rules.find(
          (each) =>
            each.names.includes(name) && each.conditions.every(({ index, mask, wanted }) => ((shown[index] ?? 0n) & mask) === wanted),
        );
        const answer = holds === undefined ? errno(given.errno) : holds.answer === 'allow' ? ALLOW : errno(holds.answer.errno);
        expect(judge(encode(filterOf(given, processor, 'errno')), { number, audit: processor.audit, words: shown })).toBe(answer);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each<[string, unknown, string]>([
    ['no JSON', '{', 'is not JSON'],
    [
      'a default that lets through',
      { defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1, syscalls: [{}] },
      'defaultAction must be SCMP_ACT_ERRNO',
    ],
    ['no rules', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, syscalls: [] }, 'syscalls is not a list'],
    ['a key that is not understood', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, flags: [] }, 'has flags'],
    ...(
      [
        ['an action that is not', { names: ['read'], action: 'SCMP_ACT_TRACE' }, 'SCMP_ACT_TRACE'],
        ['a rule for some hosts only', { names: ['read'], action: 'SCMP_ACT_ALLOW', includes: { caps: [] } }, 'has includes'],
        [
          'a comparison that is not',
          { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: 1, op: 'SCMP_CMP_GT' }] },
          'SCMP_CMP_GT',
        ],
        ['a seventh word', { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [{ index: 6, value: 1, op: 'SCMP_CMP_EQ' }] }, 'index'],
        ['no errno', { names: ['read'], action: 'SCMP_ACT_ERRNO' }, 'errnoRet'],
      ] as const
    ).map(([what, wrong, told]): [string, unknown, string] => [
      what,
      { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1, syscalls: [wrong] },
      told,
    ]),
  ])('with %s is refused', (_, given, told) => {
    expect(() => readProfile('p.json', typeof given === 'string' ? given : JSON.stringify(given))).toThrow(told);
  });

  it('with a call that is not known is refused, not skipped', () => {
    const given = { errno: 1, rules: [{ names: ['open_sesame'], conditions: [], answer: 'allow' as const }] };
    expect(() => filterOf(given, processorOf('x64'), 'errno')).toThrow('open_sesame is not a system call whose number is known');
    expect(() => processorOf('riscv64')).toThrow('riscv64');
  });
});

describe('the numbers of system calls', () => {
  const headers = { x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', arm64: '/usr/include/asm-generic/unistd.h' };
  it.skipIf(!existsSync(headers.x64) || !existsSync(headers.arm64))('are those of the kernel’s own headers (linux-libc-dev)', () => {
    const numbers = (path: string) => {
      const found = readFileSync(path, 'utf8').matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm);
      return new Map([...found].map(([, name = '', number]) => [name === 'fstatat' ? 'newfstatat' : name, Number(number)]));
    };
    const [x64, arm64] = [numbers(headers.x64), numbers(headers.arm64)];
    for (const [name, [one, other]] of Object.entries(CALLS)) {
      expect([name, one]).toEqual([name, x64.get(name) ?? null]);
      expect([name, other]).toEqual([name, arm64.get(name) ?? null]);
    }
  });
});
