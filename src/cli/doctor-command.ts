// `doctor`: its options, and what it says of itself.

import type { Command } from 'commander';
import type { DoctorOptions } from './doctor.ts';
import { runCommand } from './output.ts';

const HELP = `
Each layer of the sandbox has a line: ok, WRONG or unknown, what was seen, and from where. What can be seen is seen: in /proc and in the control
groups of the service's main process, and by the service itself, which tries its own cage (GET /api/v1/sandbox). Where a line says "said by
systemd" and nothing else, it is the configuration that is repeated, and nothing more is known.

Beside it: the unit, the service and its actuators (each is connected to, and told nothing), its Node, permissions, the policy, every record of
the log, the clock, the room on the disk. Nothing is changed, and the service records nothing of it.

Run it as root on the host of the service; without root it says which lines it could not see. With --url and without --unit, systemd is not
asked: the layers are those that the service sees itself, and AUDIT_LOG_PATH, CONTAINMENT_POLICY_PATH and the others of the service's
environment say where its files are.

Exit codes, the first that holds: 2 usage, 78 the configuration is not good, 69 the service does not answer, 77 it does not take the token or
none can be read, 3 something is wrong, 0 nothing is.

Examples:
  incident-recorder doctor
  incident-recorder doctor --json | jq '.layers[] | select(.word != "ok")'
  incident-recorder doctor --url http://127.0.0.1:8515 --token var/service-token`;

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('says of each layer of the sandbox whether it is in force in the running service, and what is wrong beside it')
    .option('--unit <name>', 'the unit of the service (default: incident-recorder)')
    .option('--url <url>', 'where the service answers, also unix:/path.sock (default: as its environment says)')
    .option('--token <file>', 'a token that may read (default: the one of the service)')
    .option('--json', 'one JSON object instead of lines', false)
    .addHelpText('after', HELP)
    .action(async (options: DoctorOptions) => runCommand(async () => (await import('./doctor.ts')).doctor(options)));
}
