// How the service sees its own cage: by what the kernel tells of it, and by trying what a layer is to refuse.

import { closeSync, openSync, readSync } from 'node:fs';
import { JUDGED, type JudgedLayer, type ProcessFiles, type Sight } from './in-force.ts';
import { limitsIn, mountsIn, statusIn } from './kernel-files.ts';
import { ownFolders } from './own-folders.ts';
import { tryCall, tryFiles, tryPort } from './tried.ts';

export interface SeenLayer extends Sight {
  readonly layer: JudgedLayer | 'landlock_files' | 'landlock_ports' | 'seccomp_profile' | 'network';
}

export interface CageParts {
  /** Ports that the launcher left open; null = it did not say. */
  readonly connect: readonly number[] | null;
  /** Files that are written, in folders of the service's own. */
  readonly writes: readonly string[];
}

/** All of it. Who asks while it is looked is told the same. */
export function createLook(parts: CageParts): () => Promise<readonly SeenLayer[]> {
  let looking: Promise<readonly SeenLayer[]> | null = null;
  return () => (looking ??= lookAround(parts).finally(() => (looking = null)));
}

async function lookAround({ connect, writes }: CageParts): Promise<readonly SeenLayer[]> {
  const files = ownProcess(writes);
  const judged = (Object.keys(JUDGED) as JudgedLayer[]).map((layer) => ({
    layer,
    ...(JUDGED[layer](files) ?? { in_force: null, seen: 'what tells it could not be read' }),
  }));
  const { ports, network } = await tryPort(connect);
  return [
    ...judged,
    { layer: 'seccomp_profile', ...tryCall() },
    { layer: 'landlock_files', ...tryFiles() },
    { layer: 'landlock_ports', ...ports },
    { layer: 'network', ...network },
  ];
}

function ownProcess(writes: readonly string[]): ProcessFiles {
  const [status, mounts, limits] = ['status', 'mountinfo', 'limits'].map((name) => read(`/proc/self/${name}`));
  return {
    status: status ? statusIn(status) : null,
    mounts: mounts ? mountsIn(mounts) : null,
    limits: limits ? limitsIn(limits) : null,
    maps: read('/proc/self/maps'),
    command: process.execArgv,
    own: ownFolders(writes),
  };
}

/** What is longer than this is not read at all: half of it would tell half. */
const MAX_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

/** Null when it is out of reach or too long. */
function read(path: string): string | null {
  const pieces: Buffer[] = [];
  try {
    const fd = openSync(path, 'r');
    try {
      for (let bytes = 0; bytes < MAX_BYTES;) {
        const piece = Buffer.allocUnsafe(PIECE_BYTES);
        const got = readSync(fd, piece);
        if (got === 0) return Buffer.concat(pieces).toString('latin1');
        pieces.push(piece.subarray(0, got));
        bytes += got;
      }
      return null;
    } finally {
      closeSync(fd);
    }
  } catch {
    return null;
  }
}
