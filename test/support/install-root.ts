// A folder that stands for a host, and a release to install into it.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openFolder } from './folder.ts';
import { install, treeBelow, writeRelease } from './release.ts';

export const LIB = 'usr/lib/incident-recorder';
export const UNITS = 'usr/lib/systemd/system';
export const CREDENTIALS = 'etc/secure-ai/credentials';
export const POLICY = 'etc/secure-ai/policy/incident-containment.yaml';
export const LOGS = 'var/lib/secure-ai/logs';

/** A release and a root beside it, in names that a careless script trips over. */
export function openHost() {
  const folder = openFolder();
  const root = join(folder.path, "the root's $HOME");
  mkdirSync(root);
  const release = writeRelease(join(folder.path, 'a release'));
  const write = (path: string, text: string, mode = 0o600) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  return {
    ...{ folder, root, release, write },
    install: (...args: string[]) => install(release, '--root', root, ...args),
    installOf: (other: string, ...args: string[]) => install(other, '--root', root, ...args),
    tree: () => treeBelow(root),
    text: (path: string) => readFileSync(join(root, path), 'utf8'),
    has: (path: string) => existsSync(join(root, path)),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
