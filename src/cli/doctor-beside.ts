// What may be wrong beside the sandbox: each in a line, or a line for each fault.

import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { permissionLines } from './doctor-files.ts';
import { clockLine, diskLine, nodeLine, unitLine } from './doctor-host.ts';
import type { Line } from './doctor-line.ts';
import type { LogExamined } from './doctor-log.ts';
import { policyLines } from './doctor-policy.ts';
import type { Process } from './doctor-process.ts';
import type { Answers } from './doctor-answers.ts';
import { type Properties, askClock } from './doctor-systemd.ts';
import { actuatorLines, healthLine } from './doctor-told.ts';

/** What was found out before. */
export interface Known {
  /** Null = no unit was meant. */
  readonly unit: string | null;
  readonly properties: Properties | null;
  readonly process: Process | null;
  readonly config: Config;
  readonly answers: Answers;
  readonly log: LogExamined;
}

const RELEASE = '/usr/lib/incident-recorder';
/** What the installer puts on a host: the unit hands copies of the secrets over. */
const INSTALLED = {
  secrets: ['/etc/secure-ai/credentials/service-token', '/etc/secure-ai/credentials/checkpoint.key', '/run/secure-ai/service-token'],
  folders: ['/etc/secure-ai/credentials', '/etc/secure-ai/credentials/secrets'],
  deciding: ['bin/node', 'lib/launch.js', 'lib/main.js', 'systemd/seccomp.json'].map((file) => join(RELEASE, file)),
};
const NONE: typeof INSTALLED = { secrets: [], folders: [], deciding: [] };
/** What systemd hands over lies in the service's own view of the files. */
const HANDED_OVER = '/run/credentials/';

export async function besideOf({ unit, properties, process, config, answers, log }: Known): Promise<Line[]> {
  const { AUDIT_LOG_PATH, DATABASE_PATH, CONTAINMENT_POLICY_PATH, SECRETS_DIR, SERVICE_TOKEN_PATH, TOKENS_PATH, CHECKPOINT_KEY_PATH } =
    config;
  const installed = unit === null ? NONE : INSTALLED;
  const ours = (...paths: readonly (string | null)[]) => paths.filter((path) => path !== null && !path.startsWith(HANDED_OVER)) as string[];
  const secrets = SECRETS_DIR === null ? null : asSeenBy(process, SECRETS_DIR);
  return [
    ...(unit === null ? [] : [unitLine(unit, properties)]),
    healthLine(answers),
    ...(await actuatorLines(answers)),
    nodeLine(process, answers.cage),
    ...permissionLines({
      secrets: [...ours(SERVICE_TOKEN_PATH, CHECKPOINT_KEY_PATH), ...installed.secrets],
      folders: [...ours(SECRETS_DIR), ...installed.folders],
      deciding: [CONTAINMENT_POLICY_PATH, ...ours(TOKENS_PATH), ...installed.deciding],
      kept: [AUDIT_LOG_PATH, DATABASE_PATH],
      ...{ uid: process?.status?.uids[1] ?? null, isInstalled: unit !== null },
    }),
    ...policyLines({
      ...{ config, secrets: secrets !== null && isReadable(secrets) ? secrets : null },
      ...{ open: process?.env ? config.CONNECT_PORTS : undefined, inForce: log.line.word === 'ok' ? log.policy : null },
    }),
    log.line,
    clockLine(await askClock(), log.newest, import.meta.filename),
    diskLine([AUDIT_LOG_PATH, DATABASE_PATH]),
  ];
}

/** Where this command finds a file that the service has been given. */
export function asSeenBy(process: Process | null, path: string): string {
  const seen = process && path.startsWith(HANDED_OVER) ? join(`/proc/${process.pid}/root`, path) : path;
  return existsSync(seen) ? seen : path;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
