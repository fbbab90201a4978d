// `rebuild`: the database made again out of the log alone, for when it is lost or not to be trusted.

import { ENVIRONMENT } from '../config.ts';
import { type Rebuilt, rebuild as rebuildStore } from '../ledger/rebuild.ts';
import { filesGiven } from './given.ts';
import { EXIT, createProgress, print } from './output.ts';

export interface RebuildOptions {
  /** Where the database is to stand; without it, at DATABASE_PATH. */
  readonly to?: string;
  readonly json: boolean;
}

/**
 * @param given the log, or its files, oldest first
 * @returns 0 rebuilt · 3 the log is tampered with, and nothing was made
 */
export async function rebuild(given: readonly string[], { to = databasePath(), json }: RebuildOptions): Promise<number> {
  const files = filesGiven(given);
  const progress = createProgress('rebuilding', files);
  const rebuilt = await rebuildStore({ files, path: to, onProgress: progress.at });
  progress.end();
  if (json) print(JSON.stringify({ verdict: rebuilt.fault ? 'tampered' : 'rebuilt', database: rebuilt.fault ? null : to, ...rebuilt }));
  else tell(rebuilt, to).forEach(print);
  return rebuilt.fault ? EXIT.found : EXIT.ok;
}

/** As the service takes it from the environment. */
function databasePath(): string {
  const { AUDIT_LOG_PATH = ENVIRONMENT.AUDIT_LOG_PATH, DATABASE_PATH } = process.env;
  return DATABASE_PATH ?? ENVIRONMENT.DATABASE_PATH({ AUDIT_LOG_PATH });
}

function tell({ first, last, hash, fault, torn, added }: Rebuilt, to: string): string[] {
  if (fault) return [`TAMPERED: record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}`, 'nothing was made'];
  return [
    `${to} holds what records ${first} to ${last} tell; the last has hash ${hash}`,
    ...(torn > 0 ? [`the last line is torn and was left out: ${torn} bytes without an end, as a crash leaves them`] : []),
    ...(added > 0
      ? [`the log ends within a change; ${added} records were added that end it, and the service will write them to the log`]
      : []),
  ];
}
