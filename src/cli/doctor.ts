// `doctor`: which layers of the sandbox are in force in the running service, and what is wrong beside it.

import { isToken } from '../access/load.ts';
import { type Config, readConfig } from '../config.ts';
import { RecorderError } from '../errors.ts';
import { readSmallFile } from '../input/file.ts';
import type { Address } from '../policy/policy.ts';
import { ownFolders } from '../sandbox/own-folders.ts';
import { asSeenBy, besideOf } from './doctor-beside.ts';
import { layersOf } from './doctor-layers.ts';
import { type Line, tableOf } from './doctor-line.ts';
import { isListenedOnBy } from './doctor-listener.ts';
import { examineLog } from './doctor-log.ts';
import { type Process, readProcess } from './doctor-process.ts';
import { type Answers, addressGiven, askService, unasked } from './doctor-answers.ts';
import { askSystemd, environmentOf, unitNamed } from './doctor-systemd.ts';
import { EXIT, print } from './output.ts';

export interface DoctorOptions {
  readonly unit?: string;
  readonly url?: string;
  /** A file with a token that may read. */
  readonly token?: string;
  readonly json: boolean;
}

const DEFAULT_UNIT = 'incident-recorder';
const NO_SYSTEMD = 'there is no systemd here that knows its process; --url says where it answers';
const MAX_TOKEN_BYTES = 4096;
const VERDICTS: Record<number, string> = {
  [EXIT.ok]: 'ok',
  [EXIT.found]: 'wrong',
  [EXIT.unreachable]: 'unreachable',
  [EXIT.unauthorised]: 'unauthorised',
};

/**
 * @returns 0 nothing is wrong · 69 the service does not answer · 77 it does not take our token, or there is none · 3 something is wrong
 * @throws RecorderError "invalid_parameter", "invalid_configuration"
 */
export async function doctor({ unit: named, url, token: file, json }: DoctorOptions): Promise<number> {
  const unit = named === undefined && url !== undefined ? null : unitNamed(named ?? DEFAULT_UNIT);
  const properties = unit === null ? null : await askSystemd(unit);
  const pid = Number(properties?.get('MainPID') ?? 0);
  const process = pid > 0 ? readProcess(pid) : null;
  const env = properties === null ? globalThis.process.env : environmentOf(properties);
  // By the word of root alone: what is read for the service is shown to the service.
  const trusted = readConfig(env);
  const config = readConfig({ ...process?.env, ...env });
  const address = url === undefined ? addressOf(trusted) : addressGiven(url);
  const token = file === undefined ? tokenOf(trusted, process) : tokenIn(file);
  // Before the service is asked: what it has mended meanwhile, it then tells of.
  const log = await examineLog(config.AUDIT_LOG_PATH, asSeenBy(process, config.CHECKPOINT_KEY_PATH));
  const impostor = unit === null ? null : properties === null ? NO_SYSTEMD : whyNotIts(address, pid, unit);
  const answers = impostor === null ? await askService(address, token) : unasked(impostor);
  const own = ownFolders([config.AUDIT_LOG_PATH, config.DATABASE_PATH]);
  // Of what does not run, nothing is in force, whatever it is to be.
  const configured = pid > 0 ? properties : null;
  const layers = layersOf({ process, own, unit: configured, service: answers.layers }, whyUnknown(unit, pid, answers));
  const beside = await besideOf({ unit, properties, process, config, answers, log });
  const lines = [...layers, ...beside];
  const code = codeOf(answers, lines);
  if (json) print(JSON.stringify({ verdict: VERDICTS[code], unit, layers, beside }));
  else ['The sandbox', ...tableOf(layers), '', 'Beside it', ...tableOf(beside), '', ...summaryOf(lines, answers)].forEach(print);
  return code;
}

/** What comes first is told first: what was not asked says nothing of what is wrong. */
function codeOf({ unreachable, unauthorised }: Answers, lines: readonly Line[]): number {
  if (unreachable !== null) return EXIT.unreachable;
  if (unauthorised) return EXIT.unauthorised;
  return lines.some(({ word }) => word === 'WRONG') ? EXIT.found : EXIT.ok;
}

function summaryOf(lines: readonly Line[], { unreachable, refused }: Answers): string[] {
  const wrong = lines.filter(({ word }) => word === 'WRONG').map(({ about }) => about);
  const unknown = lines.filter(({ word }) => word === 'unknown').map(({ about }) => about);
  const list = (abouts: readonly string[]) => [...new Set(abouts)].join(', ');
  return [
    wrong.length > 0 ? `WRONG: ${list(wrong)}` : 'nothing is wrong that was seen',
    ...(unknown.length > 0 ? [`unknown: ${list(unknown)}${globalThis.process.geteuid?.() === 0 ? '' : ' (root sees more)'}`] : []),
    ...(unreachable === null && refused !== null ? [`the service tells less than it knows: ${refused}`] : []),
  ];
}

/** Of a layer that nobody has said anything of. */
function whyUnknown(unit: string | null, pid: number, { unreachable, refused }: Answers): string {
  const asked = unreachable !== null ? 'the service does not answer' : (refused ?? 'the service cannot tell it');
  if (unit === null) return `${asked}, and no unit was named`;
  return pid > 0 ? `${asked}, and this user cannot see it` : `${unit} does not run, or there is no systemd here`;
}

function addressOf({ BIND_ADDR: { host, port } }: Config): Address {
  const isAny = host === '0.0.0.0' || host === '[::]';
  return addressGiven(`http://${isAny ? '127.0.0.1' : host}:${port}`);
}

/** Why it is not the service that would be asked, and be shown the token. */
function whyNotIts(address: Address, pid: number, unit: string): string | null {
  if (pid === 0) return `${unit} does not run`;
  if (address.over === 'unix' || isListenedOnBy(pid, address.port) !== false) return null;
  return `its process ${pid} does not listen on port ${address.port}`;
}

/** @throws RecorderError "invalid_parameter", "invalid_configuration" */
function tokenIn(path: string): string {
  const file = readSmallFile(path, MAX_TOKEN_BYTES);
  if (!file) throw new RecorderError('invalid_parameter', `--token ${path}: there is no such file`);
  const token = file.text.trim();
  if (!isToken(token))
    throw new RecorderError('invalid_parameter', `--token ${path}: holds no token: one line of visible ASCII without spaces`);
  return token;
}

/** The service's own; null when it has none, or this user may not read it. */
function tokenOf({ SERVICE_TOKEN_PATH: path }: Config, process: Process | null): string | null {
  try {
    return path === null ? null : tokenIn(asSeenBy(process, path));
  } catch (error) {
    if (error instanceof RecorderError) return null;
    throw error;
  }
}
