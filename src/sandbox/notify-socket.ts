// The socket on which systemd hears how the service is doing, opened by the launcher: the service then only writes to it.

import type { Kernel } from './kernel.ts';

const AF_UNIX = 1;
/** A datagram each; one that finds no room fails at once. */
const DATAGRAMS = 0o2 | 0o4000;
/** struct sockaddr_un: two bytes of family, then the path, which ends with a zero byte if there is room. */
const MAX_PATH = 108;

/**
 * A file descriptor, each write to which is a message of sd_notify(3).
 * @param path of NOTIFY_SOCKET: absolute, or with `@` in front an abstract name
 * @throws KernelError; RangeError for a path that the kernel does not take
 */
export function openNotifySocket(kernel: Kernel, path: string): number {
  const name = Buffer.from(path.replace(/^@/, '\0'));
  if (name.length === 0 || name.length > MAX_PATH) throw new RangeError(`NOTIFY_SOCKET ${path}: is not the path of a socket`);
  const address = Buffer.alloc(2 + MAX_PATH);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  // The length tells an abstract name from its end; a path ends at its zero byte.
  const length = 2 + name.length + (name[0] === 0 || name.length === MAX_PATH ? 0 : 1);
  const fd = kernel.call('socket', AF_UNIX, DATAGRAMS, 0);
  kernel.call('connect', fd, address, length);
  return fd;
}
