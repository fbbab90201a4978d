// Landlock: of all that the user of this process may open and of all ports that there are, those that are named, and no others.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { RecorderError } from '../errors.ts';
import { type Kernel, KernelError } from './kernel.ts';

/** What is left when all else is taken away. Folders are meant with all that is in them. */
export interface Reach {
  readonly read: readonly string[];
  /** Also made, shortened, renamed and removed there. */
  readonly write: readonly string[];
  /** Also read. */
  readonly execute: readonly string[];
  /** Ports of TCP; from ABI 4 on. */
  readonly bind: readonly number[];
  readonly connect: readonly number[];
}

/** linux/landlock.h, LANDLOCK_ACCESS_FS_*, with the version of the interface that brought them. */
const FILES = {
  execute: [1, 1n << 0n],
  write_file: [1, 1n << 1n],
  read_file: [1, 1n << 2n],
  read_dir: [1, 1n << 3n],
  remove_dir: [1, 1n << 4n],
  remove_file: [1, 1n << 5n],
  make_char: [1, 1n << 6n],
  make_dir: [1, 1n << 7n],
  make_reg: [1, 1n << 8n],
  make_sock: [1, 1n << 9n],
  make_fifo: [1, 1n << 10n],
  make_block: [1, 1n << 11n],
  make_sym: [1, 1n << 12n],
  refer: [2, 1n << 13n],
  truncate: [3, 1n << 14n],
  ioctl_dev: [5, 1n << 15n],
} as const satisfies Record<string, readonly [abi: number, bit: bigint]>;
type FileRight = keyof typeof FILES;

/** Those that a file can have; the others are a folder's. */
const OF_A_FILE = new Set<FileRight>(['execute', 'write_file', 'read_file', 'truncate', 'ioctl_dev']);

const RIGHTS = {
  read: ['read_file', 'read_dir'],
  write: ['read_file', 'read_dir', 'write_file', 'truncate', 'make_reg', 'make_dir', 'remove_file'],
  execute: ['read_file', 'read_dir', 'execute'],
} as const satisfies Record<string, readonly FileRight[]>;

/** LANDLOCK_ACCESS_NET_*: before this version ports are left as they are. */
export const PORTS = { abi: 4, bind: 1n, connect: 2n };
/** LANDLOCK_SCOPE_*: other ways out of the cage, by abstract unix sockets and signals. */
const SCOPES = { abi: 6, all: 3n };

const CREATE_VERSION = 1;
const RULE = { path: 1, port: 2 };

/** The bits of these rights that this version of the interface knows. */
function bitsOf(rights: readonly FileRight[], abi: number): bigint {
  return rights.reduce((bits, right) => (FILES[right][0] <= abi ? bits | FILES[right][1] : bits), 0n);
}

/** @throws RecorderError "invalid_configuration" when this kernel has no Landlock, or it is switched off */
export function landlockVersion(kernel: Kernel): number {
  try {
    return kernel.call('landlock_create_ruleset', 0, 0, CREATE_VERSION);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    const why =
      error.code === 'EOPNOTSUPP'
        ? 'is switched off in this kernel (lsm=)'
        : 'is not in this kernel (Linux 5.13 or newer), or a filter keeps it away';
    throw new RecorderError('invalid_configuration', `Landlock ${why}: ${error.message}`);
  }
}

/**
 * Takes everything away that is not in reach, for this thread and whatever it executes. It cannot be taken back.
 * @param abi the version of the interface
 * @throws RecorderError "invalid_configuration" when something in reach is not there
 * @throws KernelError
 */
export function confine(kernel: Kernel, abi: number, reach: Reach): void {
  const handled = Buffer.alloc(abi >= SCOPES.abi ? 24 : abi >= PORTS.abi ? 16 : 8); // struct landlock_ruleset_attr
  const every = bitsOf(Object.keys(FILES) as FileRight[], abi);
  handled.writeBigUInt64LE(every, 0);
  if (abi >= PORTS.abi) handled.writeBigUInt64LE(PORTS.bind | PORTS.connect, 8);
  if (abi >= SCOPES.abi) handled.writeBigUInt64LE(SCOPES.all, 16);
  const ruleset = kernel.call('landlock_create_ruleset', handled, handled.length, 0);

  for (const kind of ['read', 'write', 'execute'] as const) {
    for (const path of reach[kind])
      allowPath(kernel, ruleset, path, (isFolder) =>
        bitsOf(
          RIGHTS[kind].filter((right) => isFolder || OF_A_FILE.has(right)),
          abi,
        ),
      );
  }
  if (abi >= PORTS.abi) {
    for (const port of reach.bind) allowPort(kernel, ruleset, port, PORTS.bind);
    for (const port of reach.connect) allowPort(kernel, ruleset, port, PORTS.connect);
  }
  kernel.call('landlock_restrict_self', ruleset, 0);
  closeSync(ruleset);
}

const O_PATH = 0o10000000;

function allowPath(kernel: Kernel, ruleset: number, path: string, bits: (isFolder: boolean) => bigint): void {
  const fd = openPath(path);
  try {
    const rule = Buffer.alloc(12); // struct landlock_path_beneath_attr, packed
    rule.writeBigUInt64LE(bits(fstatSync(fd).isDirectory()), 0);
    rule.writeInt32LE(fd, 8);
    kernel.call('landlock_add_rule', ruleset, RULE.path, rule, 0);
  } finally {
    closeSync(fd);
  }
}

function openPath(path: string): number {
  try {
    return openSync(path, O_PATH);
  } catch (error) {
    throw new RecorderError(
      'invalid_configuration',
      `${path}: is to be in reach of the service, and ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}

function allowPort(kernel: Kernel, ruleset: number, port: number, bit: bigint): void {
  const rule = Buffer.alloc(16); // struct landlock_net_port_attr
  rule.writeBigUInt64LE(bit, 0);
  rule.writeBigUInt64LE(BigInt(port), 8);
  kernel.call('landlock_add_rule', ruleset, RULE.port, rule, 0);
}
