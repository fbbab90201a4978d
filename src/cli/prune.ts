// `audit prune`: the oldest files of the log go, and what they tell of that is still needed is told again. The service must be stopped.

import { existsSync } from 'node:fs';
import { readConfig } from '../config.ts';
import { RecorderError } from '../errors.ts';
import { INSTANT, parseInstant } from '../input/instant.ts';
import { createLog } from '../log.ts';
import { builtInPolicy } from '../policy/built-in.ts';
import { loadPolicy } from '../policy/load.ts';
import { pruneLog } from '../ledger/prune-log.ts';
import { createRoom } from '../recorder/room.ts';
import { openReserve } from '../store/reserve.ts';
import { openStore } from '../store/store.ts';
import { EXIT, print } from './output.ts';

export interface PruneOptions {
  /** An ISO 8601 date or instant. */
  readonly before: string;
  readonly json: boolean;
}

/** @returns 0 pruned, or nothing to prune */
export async function prune({ before, json }: PruneOptions): Promise<number> {
  const config = readConfig(process.env);
  const instant = instantOf(before);
  const log = createLog({ level: 'warning', journal: false, write: (line) => process.stderr.write(line) });
  if (!existsSync(config.DATABASE_PATH)) throw new RecorderError('not_found', `${config.DATABASE_PATH}: there is no such database`);
  const reserve = openReserve(`${config.DATABASE_PATH}.reserve`, config.STORE_RESERVE_BYTES);
  const store = openStore(config.DATABASE_PATH, reserve);
  try {
    const pruned = await pruneLog({
      ...{ path: config.AUDIT_LOG_PATH, keyPath: config.CHECKPOINT_KEY_PATH, origin: config.CHECKPOINT_ORIGIN, store, log },
      policy: loadPolicy(config.CONTAINMENT_POLICY_PATH) ?? builtInPolicy(),
      room: createRoom({ reserve, usedBytes: store.usedBytes(), maxBytes: config.STORE_MAX_BYTES, log }),
      ...{ before: instant, now: () => new Date() },
    });
    const { records, files } = pruned;
    if (json) print(JSON.stringify(pruned));
    else if (!records && files.length === 0) print(`no file of the log holds only records from before ${instant.toISOString()}`);
    else if (records) print(`records ${records.from} to ${records.to} were pruned; the log tells so itself`);
    if (!json) files.forEach((file) => print(`removed ${file}`));
    return EXIT.ok;
  } finally {
    store.close();
  }
}

function instantOf(text: string): Date {
  const instant = parseInstant(text);
  if (!instant) throw new RecorderError('invalid_parameter', `--before ${text}: ${INSTANT}`);
  return instant;
}
