// The last step of the launcher: this process becomes another program, which inherits the cage and what is handed over.

import type { Kernel } from './kernel.ts';

const F_SETFD = 2;

/** The first of the sockets that systemd hands over (sd_listen_fds(3)). */
export const FIRST_HANDED = 3;

export interface Program {
  /** Absolute path, then its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Partial<Record<string, string>>>;
  /** File descriptors that it gets beside 0, 1 and 2. */
  readonly handed: readonly number[];
}

/**
 * Lays all of it out in memory; the answer starts it, and makes no system call before but one for each descriptor.
 * @returns what never returns. @throws KernelError when the program cannot be executed
 */
export function prepare(kernel: Kernel, { command, env, handed }: Program): () => never {
  const path = textOf(command[0] ?? '');
  const argv = listOf(kernel, command);
  const envp = listOf(
    kernel,
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
  );
  return () => {
    // node has marked what it inherited to be closed.
    for (const fd of [0, 1, 2, ...handed]) kernel.call('fcntl', fd, F_SETFD, 0);
    kernel.call('execve', path, argv.pointers, envp.pointers);
    throw new Error('execve came back');
  };
}

function textOf(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** An array of pointers to texts, with a null behind the last; the texts are kept beside it, or they would not be there when they are read. */
function listOf(kernel: Kernel, texts: readonly string[]): { pointers: Buffer; texts: readonly Buffer[] } {
  const kept = texts.map(textOf);
  const pointers = Buffer.alloc((kept.length + 1) * 8);
  kept.forEach((text, i) => void pointers.writeBigUInt64LE(kernel.addressOf(text), i * 8));
  return { pointers, texts: kept };
}
