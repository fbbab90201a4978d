// The numbers of system calls on the two processors that a release is made for: those that a profile may name, and those that the launcher makes.

import { RecorderError } from '../errors.ts';

/** From the kernel's unistd.h of x86-64, and of those that take the generic table (arm64 among them); null = it has none. */
export const CALLS = {
  accept4: [288, 242],
  access: [21, null],
  arch_prctl: [158, null],
  bind: [49, 200],
  brk: [12, 214],
  capget: [125, 90],
  chmod: [90, null],
  clock_getres: [229, 114],
  clock_gettime: [228, 113],
  clock_nanosleep: [230, 115],
  clone: [56, 220],
  clone3: [435, 435],
  close: [3, 57],
  connect: [42, 203],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  epoll_pwait: [281, 22],
  eventfd2: [290, 19],
  execve: [59, 221],
  exit: [60, 93],
  exit_group: [231, 94],
  faccessat: [269, 48],
  faccessat2: [439, 439],
  fchmod: [91, 52],
  fchmodat: [268, 53],
  fcntl: [72, 25],
  fdatasync: [75, 83],
  fstat: [5, 80],
  fstatfs: [138, 44],
  fsync: [74, 82],
  ftruncate: [77, 46],
  futex: [202, 98],
  getcwd: [79, 17],
  getdents64: [217, 61],
  getegid: [108, 177],
  geteuid: [107, 175],
  getgid: [104, 176],
  getpeername: [52, 205],
  getpid: [39, 172],
  getrandom: [318, 278],
  getsockname: [51, 204],
  getsockopt: [55, 209],
  gettid: [186, 178],
  gettimeofday: [96, 169],
  getuid: [102, 174],
  io_uring_setup: [425, 425],
  ioctl: [16, 29],
  landlock_add_rule: [445, 445],
  landlock_create_ruleset: [444, 444],
  landlock_restrict_self: [446, 446],
  link: [86, null],
  linkat: [265, 37],
  listen: [50, 201],
  lseek: [8, 62],
  lstat: [6, null],
  madvise: [28, 233],
  mkdir: [83, null],
  mkdirat: [258, 34],
  mmap: [9, 222],
  mprotect: [10, 226],
  mremap: [25, 216],
  munmap: [11, 215],
  nanosleep: [35, 101],
  newfstatat: [262, 79],
  openat: [257, 56],
  pipe2: [293, 59],
  prctl: [157, 167],
  pread64: [17, 67],
  prlimit64: [302, 261],
  pwrite64: [18, 68],
  read: [0, 63],
  readlink: [89, null],
  readlinkat: [267, 78],
  readv: [19, 65],
  rename: [82, null],
  renameat: [264, 38],
  renameat2: [316, 276],
  restart_syscall: [219, 128],
  rseq: [334, 293],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sched_getaffinity: [204, 123],
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  sched_yield: [24, 124],
  set_robust_list: [273, 99],
  set_tid_address: [218, 96],
  setsockopt: [54, 208],
  shutdown: [48, 210],
  sigaltstack: [131, 132],
  socket: [41, 198],
  stat: [4, null],
  statfs: [137, 43],
  statx: [332, 291],
  symlink: [88, null],
  symlinkat: [266, 36],
  sysinfo: [99, 179],
  tgkill: [234, 131],
  umask: [95, 166],
  uname: [63, 160],
  unlink: [87, null],
  unlinkat: [263, 35],
  write: [1, 64],
  writev: [20, 66],
} as const satisfies Record<string, readonly [x64: number | null, arm64: number | null]>;

export type CallName = keyof typeof CALLS;

/** AUDIT_ARCH_* of linux/audit.h, by which a filter knows whose numbers it is shown. */
const PROCESSORS: Partial<Record<NodeJS.Architecture, { column: 0 | 1; audit: number }>> = {
  x64: { column: 0, audit: 0xc000003e },
  arm64: { column: 1, audit: 0xc00000b7 },
};

export interface Processor {
  readonly audit: number;
  /** Null for a call that this processor does not have. @throws RecorderError "invalid_configuration" for one that is not in the table */
  numberOf(name: string): number | null;
}

/** @throws RecorderError "invalid_configuration" for any other */
export function processorOf(architecture: NodeJS.Architecture): Processor {
  const known = PROCESSORS[architecture];
  if (!known)
    throw new RecorderError(
      'invalid_configuration',
      `the numbers of system calls on ${architecture} are not known, only those on x64 and arm64`,
    );
  return {
    audit: known.audit,
    numberOf(name) {
      if (!Object.hasOwn(CALLS, name))
        throw new RecorderError('invalid_configuration', `${name} is not a system call whose number is known`);
      return CALLS[name as CallName][known.column];
    },
  };
}
