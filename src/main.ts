// The program: environment in, service up, signals, exit code.

import { readConfig } from './config.ts';
import { RecorderError } from './errors.ts';
import { openHouse } from './house.ts';
import { createLog } from './log.ts';

/** sysexits(3) */
const EXIT = { failed: 1, temporary: 75, configuration: 78 };

const journal = process.env['JOURNAL_STREAM'] !== undefined;
let log = createLog({ level: 'info', journal });

process.umask(0o027);
try {
  const config = readConfig(process.env);
  log = createLog({ level: config.LOG_LEVEL, journal });
  // Before anything else: a signal that nobody listens for would end the program, and a reload may come while it starts.
  const asked = Promise.race([signal('SIGTERM'), signal('SIGINT')]);
  const opening = openHouse({ config, log, onBroken: endAtOnce });
  process.on('SIGHUP', () => {
    opening
      .then((house) => house.reload())
      .then(
        () => log.info('reloaded'),
        (error: unknown) => log.error('reload refused; what was in force stays', { error: messageOf(error) }),
      );
  });
  const house = await opening;
  const reason = await asked;
  await house.close(reason);
} catch (error) {
  const told = error instanceof RecorderError ? {} : { stack: (error as Error).stack };
  log.critical('the recorder cannot run', { error: messageOf(error), ...told });
  process.exitCode = exitCodeOf(error);
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
