// What a process finds out of its own cage by trying: calls without an effect, each refused by one layer and answered otherwise without it.

import { closeSync, openSync, statSync, symlinkSync } from 'node:fs';
import { release } from 'node:os';
import type { Sight } from './in-force.ts';
import { knock } from './knock.ts';

/** The root of all: a rule that had it in reach would have everything. */
const ROOT = '/';
const READABLE_BY_ALL = 0o004;
const PATIENCE_MS = 1_000;

function codeOf(attempt: () => void): string {
  try {
    attempt();
    return 'ok';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Landlock, by a folder that its mode leaves to everyone: no mount makes it unreadable, and no reach of a service holds it. */
export function tryFiles(place: string = ROOT): Sight {
  let mode = 0;
  const found = codeOf(() => ({ mode } = statSync(place)));
  if (found !== 'ok') return { in_force: null, seen: `${place} cannot be looked at: ${found}` };
  const told = codeOf(() => closeSync(openSync(place, 'r')));
  if (told === 'ok') return { in_force: false, seen: `${place} can be opened` };
  const open = (mode & READABLE_BY_ALL) !== 0;
  return { in_force: told === 'EACCES' && open ? true : null, seen: `opening ${place}: ${told}${open ? ', which its mode allows' : ''}` };
}

/** The profile of system calls, which alone refuses a symbolic link before it is asked for what and where. */
export function tryCall(): Sight {
  const told = codeOf(() => symlinkSync('', ''));
  return { in_force: told === 'EPERM', seen: `symlink of nothing to nowhere: ${told}` };
}

/** @param allowed ports that may be connected to; null = it is not said which */
export async function tryPort(allowed: readonly number[] | null): Promise<{ ports: Sight; network: Sight }> {
  let port = 1;
  while (allowed?.includes(port)) port += 1;
  const told = await knock({ host: '127.0.0.1', port }, PATIENCE_MS);
  const isClosed = told === 'EAFNOSUPPORT';
  const inForce = told === 'EACCES' ? true : ['ok', 'ECONNREFUSED'].includes(told) ? false : null;
  const at = `connecting to port ${port} of loopback: ${told}${inForce === false && isOld() ? OLD : ''}`;
  return {
    ports: { in_force: inForce, seen: isClosed ? 'there is no TCP here that a port could be tried of' : at },
    network: isClosed ? { in_force: true, seen: 'no socket of IPv4 can be made' } : { in_force: null, seen: 'sockets of IPv4 can be made' },
  };
}

const OLD = `; Linux ${release()} does not know it, 6.7 and newer do`;

function isOld(): boolean {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return major < 6 || (major === 6 && minor < 7);
}
