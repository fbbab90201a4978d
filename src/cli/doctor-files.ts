// Who may read and write the files that the service lives by.

import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Line, line } from './doctor-line.ts';

export interface FilesParts {
  /** Hold a secret each: nobody but their owner has any right to them. */
  readonly secrets: readonly string[];
  /** Folders of secrets: they too, and each file in them. */
  readonly folders: readonly string[];
  /** Decide what is done: no other may write them. */
  readonly deciding: readonly string[];
  /** The log and the database, in folders that only the service writes. */
  readonly kept: readonly string[];
  /** The user of the service; null = not known. */
  readonly uid: number | null;
  /** Whether what decides must be root's, and no group's. */
  readonly isInstalled: boolean;
}

const OF_OTHERS = 0o077;
const WRITTEN_BY_GROUP = 0o020;
const WRITTEN_BY_EVERYONE = 0o002;
const STICKY = 0o1000;
const OF_EVERYONE = 0o007;

interface Found {
  readonly path: string;
  /** Why it is wrong; null = it is not. */
  readonly fault: string | null;
  readonly unreadable?: string;
}

/** A line for each that is wrong, or one for all. */
export function permissionLines({ secrets, folders, deciding, kept, uid, isInstalled }: FilesParts): Line[] {
  const inFolders = folders.flatMap(filesIn);
  const stateFolders = [...new Set(kept.map((path) => dirname(path)))];
  const found = [
    ...[...new Set([...secrets, ...folders, ...inFolders])].map((path) =>
      judge(path, ({ mode }) => ((mode & OF_OTHERS) === 0 ? null : `others may open it (mode ${octal(mode)}): chmod go= ${path}`)),
    ),
    ...[...new Set([...deciding, ...deciding.map((path) => dirname(path))])].map((path) =>
      judge(path, ({ mode, uid: owner }) => {
        const others = WRITTEN_BY_EVERYONE | (isInstalled ? WRITTEN_BY_GROUP : 0);
        if ((mode & others) !== 0 && (mode & STICKY) === 0) return `others may write it (mode ${octal(mode)}): chmod go-w ${path}`;
        return isInstalled && owner !== 0 ? `it is of uid ${owner}, not of root: chown root ${path}` : null;
      }),
    ),
    ...stateFolders.map((path) =>
      judge(path, ({ mode, uid: owner }) => {
        if ((mode & OF_EVERYONE) !== 0) return `everyone may open it (mode ${octal(mode)}): chmod o= ${path}`;
        return uid !== null && owner !== uid ? `it is of uid ${owner}, and the service of ${uid}` : null;
      }),
    ),
  ].filter((each) => each !== null);
  const wrong = found
    .filter(({ fault }) => fault !== null)
    .map(({ path, fault }) => line('permissions', 'WRONG', `${path}: ${fault}`, 'seen on the disk'));
  const unread = found.flatMap(({ path, unreadable }) => (unreadable === undefined ? [] : [`${path} (${unreadable})`]));
  const unknown =
    unread.length === 0 ? [] : [line('permissions', 'unknown', `cannot be looked at: ${unread.join(', ')}`, 'seen on the disk')];
  if (wrong.length + unknown.length > 0) return [...wrong, ...unknown];
  return [line('permissions', 'ok', `${found.length} files and folders are as they should be`, 'seen on the disk')];
}

/** Null for what is not there: whether it has to be is for others to say. */
function judge(path: string, faultOf: (stat: { mode: number; uid: number }) => string | null): Found | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat ? { path, fault: faultOf(stat) } : null;
  } catch (error) {
    return { path, fault: null, unreadable: (error as NodeJS.ErrnoException).code ?? 'no reason is given' };
  }
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return []; // it is judged by itself
  }
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
