// All that the service may reach, put together from what the unit says, what a node process needs, and where the policy leads.

import { existsSync } from 'node:fs';
import type { Reach } from './landlock.ts';
import type { OwnFiles } from './own-files.ts';
import type { Place, SandboxSettings } from './settings.ts';

export interface ReachParts {
  settings: Pick<SandboxSettings, 'read' | 'write' | 'connect'>;
  own: OwnFiles;
  /** What is to be executed. */
  program: string;
  env: Readonly<Partial<Record<string, string>>>;
  /** Where the policy and the environment lead. */
  ports: readonly number[];
}

export function reachOf({ settings, own, program, env, ports }: ReachParts): Reach {
  const credentials = env['CREDENTIALS_DIRECTORY'];
  // systemd has bound it already, where it hands over the socket.
  const [, port] = env['LISTEN_FDS'] ? [] : (/:(\d{1,5})$/.exec(env['BIND_ADDR'] ?? '') ?? []);
  return {
    read: [...there(settings.read), ...own.read, ...(credentials ? [credentials] : [])],
    write: there(settings.write),
    execute: [...new Set([...own.execute, program])],
    bind: port === undefined ? [] : [Number(port)],
    connect: [...new Set([...ports, ...settings.connect])],
  };
}

/** What may be missing and is, is left out; what must be there and is not, is refused where it is opened. */
function there(places: readonly Place[]): string[] {
  return places.filter(({ path, optional }) => !optional || existsSync(path)).map(({ path }) => path);
}
