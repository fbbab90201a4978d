// The folders that the service is to write, as mounts name them.

import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/** Where systemd keeps the state of a dynamic user; what a way through /var/lib is a link to. */
const STATE = '/var/lib/';
const PRIVATE_STATE = '/var/lib/private/';

/** @param files that are written, each in such a folder */
export function ownFolders(files: readonly string[]): string[] {
  const folders = files.map((file) => dirname(file));
  return [...new Set(folders.flatMap((folder) => [folder, resolved(folder), folder.replace(STATE, PRIVATE_STATE)]))];
}

function resolved(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder; // it is not there, or its way is out of reach
  }
}
