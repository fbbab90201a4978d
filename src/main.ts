// The program: environment in, service up, signals, exit code.

import { readConfig } from './config.ts';
import { RecorderError } from './errors.ts';
import { type House, openHouse } from './house.ts';
import { createLog, gathered } from './log.ts';
import { urlOf } from './http/listening.ts';
import { type Supervisor, createSupervisor } from './notify.ts';

/** sysexits(3) */
const EXIT = { failed: 1, temporary: 75, configuration: 78 };

const journal = process.env['JOURNAL_STREAM'] !== undefined;
const write = gathered();
let log = createLog({ level: 'info', journal, write });

process.umask(0o027);
try {
  const config = readConfig(meantForUs(process.env));
  log = createLog({ level: config.LOG_LEVEL, journal, write });
  const supervisor = createSupervisor({ fd: config.NOTIFY_FD, watchdog_ms: config.WATCHDOG_USEC });
  // Before anything else: a signal that nobody listens for would end the program, and a reload may come while it starts.
  const asked = Promise.race([signal('SIGTERM'), signal('SIGINT')]);
  const opening = openHouse({ config, log, onBroken: endAtOnce });
  // What keeps it from opening is told below.
  process.on('SIGHUP', () => void opening.then(async (house) => reload(house, supervisor)).catch(() => {}));
  const house = await opening;
  supervisor.ready(() => statusOf(house));
  const reason = await asked;
  supervisor.stopping();
  await house.close(reason);
} catch (error) {
  const told = error instanceof RecorderError ? {} : { stack: (error as Error).stack };
  log.critical('the recorder cannot run', { error: messageOf(error), ...told });
  process.exitCode = exitCodeOf(error);
}

async function reload(house: House, { reloading, ready }: Supervisor): Promise<void> {
  reloading();
  const refused = await house.reload().then(() => null, messageOf);
  if (refused === null) log.info('reloaded');
  else log.error('reload refused; what was in force stays', { error: refused });
  ready(() => (refused === null ? statusOf(house) : `reload refused: ${refused}`));
}

/** The line that `systemctl status` shows. */
function statusOf({ place, health }: House): string {
  const { status, open_incidents, checks } = health();
  const failing = Object.entries(checks).flatMap(([check, word]) => (['ok', 'none'].includes(word) ? [] : [`${check} ${word}`]));
  return [`${status} on ${urlOf(place)}`, `${open_incidents} incidents open or contained`, ...failing].join(', ');
}

/** Who started the recorder may have been handed something by systemd itself, which is not meant for us (sd_listen_fds(3), sd_watchdog_enabled(3)). */
function meantForUs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const pid = String(process.pid);
  const isOurs = (given: string | undefined) => given === undefined || given === pid;
  return {
    ...env,
    ...(!isOurs(env['LISTEN_PID']) && { LISTEN_FDS: '' }),
    ...(!isOurs(env['WATCHDOG_PID']) && { WATCHDOG_USEC: '' }),
  };
}

async function signal(name: NodeJS.Signals): Promise<string> {
  return new Promise((resolve) => void process.once(name, resolve));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof RecorderError)) return EXIT.failed;
  switch (error.code) {
    case 'invalid_configuration':
      return EXIT.configuration;
    case 'storage_failed':
    case 'storage_full':
    case 'restart_required':
      return EXIT.temporary;
    default:
      return EXIT.failed;
  }
}

/** What the kernel dropped after a failed fsync it will not write again: only a new start, from the disk, is true. */
function endAtOnce(error: unknown): void {
  log.critical('the disk failed to keep what it was given; ending at once', { error: messageOf(error) });
  process.exit(EXIT.failed);
}
