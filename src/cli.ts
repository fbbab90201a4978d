// The operator's command: what it can do, and with which options.

import { Command } from 'commander';
import { addDoctorCommand } from './cli/doctor-command.ts';
import type { DrillOptions } from './cli/drill.ts';
import type { ExportOptions } from './cli/export.ts';
import { EXIT, runCommand } from './cli/output.ts';
import { addPolicyCommands } from './cli/policy-commands.ts';
import type { ConsistencyOptions, ProveOptions } from './cli/prove.ts';
import type { PruneOptions } from './cli/prune.ts';
import type { RebuildOptions } from './cli/rebuild.ts';
import type { VerifyBundleOptions } from './cli/verify-bundle.ts';
import type { VerifyOptions } from './cli/verify.ts';
import { VERSION } from './version.ts';

// A command is loaded when it is called: to verify a log takes neither the store nor a policy.

/** For options that may be repeated. */
const collect = (value: string, before: string[]) => [...before, value];

const LOG = 'the newest file of a log, which stands for all of it, or its files, oldest first (default: AUDIT_LOG_PATH)';

const BUNDLE_HELP = `
What is checked: the checkpoint is signed by the key; each line is, byte for byte, the record that its hash was taken of; its proof leads to
the root that was signed; seqs rise; every record is about the one incident or a hold of it; each report and each step finds the incident as
the records before it left it; each policy that decided is there and has its hash; "incident" is, field by field, what these records tell.

What that proves: the log of this key held these very records, in this order, when it had as many records as the checkpoint says.
What it does not: that they are all. A report or a step that was left out shows where the next one counts on it; what none counts on (a note,
an alert, whatever came last) may be left out with what it made of "incident". Nor does it tell of what came after the checkpoint. For that,
read the log itself, or ask it for a newer bundle.

Exit codes: 0 sound, 2 no bundle, 3 tampered with.

Example:
  incident-recorder audit verify-bundle INC-20260313-1f0c9a7be2d4.evidence.json --pubkey host/incident-recorder+…`;

const DRILL_HELP = `
Each actuator that commands are pushed to is told to contain, and then to let go, a target of type "drill" that is not there: signed, retried
and timed as a command of the service is, with "drill": true in it. It must answer as if, and do nothing. An actuator that does not look at
"drill" would act on the target drill:DRL-…, or on all that it has: try it where that does no harm first. One of dialect secai, which knows
no drill, is not asked; nor is one that fetches its commands itself.

All are asked side by side. The service need not run, and nothing is recorded. Which actuators there are, and their secrets, is read as the
service reads it: CONTAINMENT_POLICY_PATH, SECRETS_DIR, AGENT_SOCKET, AGENT_URL, AIRLOCK_URL, REGISTRY_URL.

Exit codes: 0 all that were asked contain and let go, 1 some do not, 2 there is no such actuator, 78 the configuration is not good.

Examples:
  incident-recorder drill
  incident-recorder drill --actuator agent --json`;

const program = new Command('incident-recorder')
  .description('Looks after what the recorder has kept.')
  .version(VERSION)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.usage));

const audit = program.command('audit').description('the hash-chained log');

audit
  .command('verify')
  .description('checks every record of a log, from its bytes alone')
  .argument('[log...]', 'the newest file of a log, which stands for all of it, or its files, oldest first (default: AUDIT_LOG_PATH)')
  .option('--receipt <seq:hash>', 'a receipt that must hold; may be repeated', collect, [])
  .option(
    '--checkpoint <file>',
    'a signed checkpoint that must hold; may be repeated (with a key, the one beside the log must hold too)',
    collect,
    [],
  )
  .option('--pubkey <key>', 'a verifier key that is trusted, or a file with it; may be repeated', collect, [])
  .option('--db <path>', 'a database that must hold what the log tells, field by field')
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nExit codes: 0 sound, 3 tampered with, 4 only a torn last line.\n\nExample:\n  incident-recorder audit verify var/audit.jsonl --receipt 5:9c56cc51… --checkpoint held.checkpoint --pubkey host/incident-recorder+…',
  )
  .action(async (log: string[], options: VerifyOptions) => runCommand(async () => (await import('./cli/verify.ts')).verify(log, options)));

audit
  .command('verify-bundle')
  .description('checks the evidence of an incident, as GET /api/v1/incidents/{id}/evidence gave it, without the service or its log')
  .argument('<file>', 'the bundle')
  .requiredOption(
    '--pubkey <key>',
    'a verifier key that is trusted, or a file with it; may be repeated, then one must have signed',
    collect,
    [],
  )
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText('after', BUNDLE_HELP)
  .action(async (file: string, options: VerifyBundleOptions) =>
    runCommand(async () => (await import('./cli/verify-bundle.ts')).verifyBundle(file, options)),
  );

audit
  .command('prove')
  .description('proves from the log alone that a record is in it: the inclusion proof of RFC 6962')
  .argument('[log...]', LOG)
  .requiredOption('--seq <n>', 'the record')
  .option('--size <m>', 'records of the tree (default: those of the checkpoint beside the log where it covers the record, else all)')
  .option('--json', 'one JSON object instead of a name and a value a line', false)
  .addHelpText(
    'after',
    '\nGives seq, size, leaf (the hash of the record), root and proof, in hex, as GET /api/v1/audit/proof/inclusion does; each line that\nbegins with "proof" is the next hash of it. The root is that of a checkpoint of this size: it is the signature that says whose it is.\n\nExit codes: 0 proven, 2 not possible, 3 the log is not sound: nothing is proven.\n\nExample:\n  incident-recorder audit prove var/audit.jsonl --seq 42 --json',
  )
  .action(async (log: string[], options: ProveOptions) => runCommand(async () => (await import('./cli/prove.ts')).prove(log, options)));

audit
  .command('consistency')
  .description('proves from the log alone that it only grew: the consistency proof of RFC 6962')
  .argument('[log...]', LOG)
  .requiredOption('--from <m>', 'records of the older tree')
  .requiredOption('--to <n>', 'records of the newer tree')
  .option('--json', 'one JSON object instead of a name and a value a line', false)
  .addHelpText(
    'after',
    '\nGives from, from_root, to, to_root and proof, in hex, as GET /api/v1/audit/proof/consistency does.\n\nExit codes: 0 proven, 2 not possible, 3 the log is not sound: nothing is proven.\n\nExample:\n  incident-recorder audit consistency var/audit.jsonl --from 40 --to 900 --json',
  )
  .action(async (log: string[], options: ConsistencyOptions) =>
    runCommand(async () => (await import('./cli/prove.ts')).consistency(log, options)),
  );

audit
  .command('export')
  .description('writes records of the log to stdout as they stand in it, byte for byte')
  .argument('[log...]', LOG)
  .option('--from <n>', 'from record n on')
  .option('--to <n>', 'up to record n, with it')
  .option('--since <instant>', 'not older than this, such as 2026-03-13 or 2026-03-13T08:15:30Z')
  .option('--until <instant>', 'older than this')
  .option('--incident <id>', 'about this incident or, while it owned them, its holds')
  .option('--type <type>', 'of this type, such as incident.reported; may be repeated', collect, [])
  .addHelpText(
    'after',
    '\nEvery record that is read is verified. How many were written is said on stderr; on a terminal what could steer it is shown, not obeyed.\n\nExit codes: 0 written, 3 tampered with: what stands before that was written.\n\nExample:\n  incident-recorder audit export var/audit.jsonl --since 2026-03-01 --type auth.denied --type rate.limited',
  )
  .action(async (log: string[], options: ExportOptions) =>
    runCommand(async () => (await import('./cli/export.ts')).exportLog(log, options)),
  );

audit
  .command('prune')
  .description('removes the oldest files of the log, and tells again what is still needed of them')
  .requiredOption('--before <instant>', 'files of which every record is older go, such as 2026-03-13; at least 24 hours ago')
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nThe service must be stopped: no request can remove a record. Its environment (AUDIT_LOG_PATH, DATABASE_PATH, …) says where all is.\nOnly what a signed checkpoint covers is removed. Exit codes: 0 done, 2 refused, 1 the service is running.\n\nExample:\n  incident-recorder audit prune --before 2026-01-01',
  )
  .action(async (options: PruneOptions) => runCommand(async () => (await import('./cli/prune.ts')).prune(options)));

program
  .command('rebuild')
  .description('makes the database again out of the log alone')
  .argument('[log...]', 'the newest file of a log, which stands for all of it, or its files, oldest first (default: AUDIT_LOG_PATH)')
  .option('--to <path>', 'where the database is to stand; none may be there (default: DATABASE_PATH)')
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nThe service that uses the database must not run. Start it on the new one when this has ended with 0.\n\nExit codes: 0 rebuilt, 2 there is a database already, 3 the log is tampered with: nothing was made.\n\nExample:\n  incident-recorder rebuild var/audit.jsonl --to var/incidents.db',
  )
  .action(async (log: string[], options: RebuildOptions) =>
    runCommand(async () => (await import('./cli/rebuild.ts')).rebuild(log, options)),
  );

addPolicyCommands(program);

program
  .command('drill')
  .description('has each actuator contain what is not there, and says how long it takes')
  .option('--actuator <name>', 'only this one')
  .option('--json', 'one JSON object instead of a table', false)
  .addHelpText('after', DRILL_HELP)
  .action(async (options: DrillOptions) => runCommand(async () => (await import('./cli/drill.ts')).drill(options)));

addDoctorCommand(program);

await program.parseAsync();
