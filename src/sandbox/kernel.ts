// The kernel, asked directly: system calls through node:ffi, which the launcher alone may use (--experimental-ffi).

import { dlopen, getInt32, getRawPointer } from 'node:ffi';
import { getSystemErrorMap } from 'node:util';
import { type CallName, processorOf } from './calls.ts';

/** A number, or memory: the kernel is handed its address. */
type Argument = number | bigint | Uint8Array;

export interface Kernel {
  /** What the call answers. @throws KernelError when that is an error */
  call(name: CallName, ...args: Argument[]): number;
  /** Where the memory lies. It stays there for as long as somebody holds on to it. */
  addressOf(memory: Uint8Array): bigint;
}

export class KernelError extends Error {
  override readonly name = 'KernelError';
  /** Such as `ENOSYS`. */
  readonly code: string;

  constructor(call: string, errno: number) {
    const [code, meaning] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown'];
    super(`${call}: ${code}, ${meaning}`);
    this.code = code;
  }
}

const WORD = 'i64';
const SIX_WORDS = [WORD, WORD, WORD, WORD, WORD, WORD] as const;

/** @throws when this is no glibc, or node was started without --experimental-ffi */
export function openKernel(): Kernel {
  const { functions } = dlopen('libc.so.6', {
    syscall: { arguments: [WORD, ...SIX_WORDS], return: WORD },
    __errno_location: { arguments: [], return: 'pointer' },
  });
  const { numberOf } = processorOf(process.arch);
  const errno = functions.__errno_location();
  const wordOf = (argument: Argument) => (typeof argument === 'object' ? addressOf(argument) : BigInt(argument));
  return {
    call(name, ...args) {
      const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args.map(wordOf);
      const answer = functions.syscall(BigInt(numberOf(name) ?? -1), a, b, c, d, e, f);
      if (answer < 0n) throw new KernelError(name, getInt32(errno));
      return Number(answer);
    },
    addressOf,
  };
}

function addressOf(memory: Uint8Array): bigint {
  return getRawPointer(memory.buffer as ArrayBuffer) + BigInt(memory.byteOffset);
}
