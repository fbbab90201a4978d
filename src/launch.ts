// The launcher: takes away by Landlock and seccomp what the service has no use for, and then becomes the service.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecorderError } from './errors.ts';
import { createLog } from './log.ts';
import { namedPorts } from './policy/named-ports.ts';
import { processorOf } from './sandbox/calls.ts';
import { FIRST_HANDED, prepare } from './sandbox/execute.ts';
import { openKernel } from './sandbox/kernel.ts';
import { PORTS, confine, landlockVersion } from './sandbox/landlock.ts';
import { openNotifySocket } from './sandbox/notify-socket.ts';
import { ownFiles } from './sandbox/own-files.ts';
import { readProfile } from './sandbox/profile.ts';
import { reachOf } from './sandbox/reach.ts';
import { filterCalls, filterOf } from './sandbox/seccomp.ts';
import { readSettings } from './sandbox/settings.ts';

const PROFILE = join(import.meta.dirname, '../systemd/seccomp.json');
const PR_SET_NO_NEW_PRIVS = 38;
/** sysexits(3): starting again mends neither the configuration nor a kernel that cannot do what is asked of it. */
const EXIT_CONFIGURATION = 78;

const { env } = process;
const log = createLog({ level: 'info', journal: env['JOURNAL_STREAM'] !== undefined });
try {
  await launch(process.argv.slice(2));
} catch (error) {
  const told = error instanceof RecorderError ? {} : { stack: (error as Error).stack };
  log.critical('the sandbox cannot be put in force, so the recorder is not started', { error: (error as Error).message, ...told });
  process.exitCode = EXIT_CONFIGURATION;
}

/** @param command the absolute path of the program, then its arguments */
async function launch(command: readonly string[]): Promise<never> {
  const [program] = command;
  if (!program?.startsWith('/'))
    throw new RecorderError('invalid_configuration', 'launch.js needs the absolute path of a program, then its arguments');
  const settings = readSettings(env);
  const kernel = openKernel();
  const reach = reachOf({ settings, own: ownFiles(), program, env, ports: await namedPorts(env) });
  const abi = settings.landlock === 'off' ? 0 : landlockVersion(kernel);
  const filter =
    settings.seccomp === 'off'
      ? null
      : filterOf(
          readProfile(PROFILE, readFileSync(PROFILE, 'utf8')),
          processorOf(process.arch),
          settings.seccomp === 'kill' ? 'kill' : 'errno',
        );

  const sockets = Array.from({ length: Number(env['LISTEN_FDS'] ?? 0) }, (_, n) => FIRST_HANDED + n);
  const notify = env['NOTIFY_SOCKET'] ? [openNotifySocket(kernel, env['NOTIFY_SOCKET'])] : [];
  const told = {
    ...env,
    NOTIFY_FD: notify.join(),
    // Unset, every port is open.
    CONNECT_PORTS: abi >= PORTS.abi ? reach.connect.join() || 'none' : undefined,
  };
  const become = prepare(kernel, { command, env: told, handed: [...sockets, ...notify] });

  log.info('sandbox', { landlock: abi || 'off', seccomp: settings.seccomp, ...(abi > 0 && reach) });
  kernel.call('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (abi > 0) confine(kernel, abi, reach);
  if (filter) filterCalls(kernel, filter);
  return become();
}
