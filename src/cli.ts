// The operator's command: what it can do, and with which options.

import { Command } from 'commander';
import { EXIT, runCommand } from './cli/output.ts';
import { type PruneOptions, prune } from './cli/prune.ts';
import { type RebuildOptions, rebuild } from './cli/rebuild.ts';
import { type VerifyOptions, verify } from './cli/verify.ts';
import { VERSION } from './version.ts';

/** For options that may be repeated. */
const collect = (value: string, before: string[]) => [...before, value];

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
  .option('--checkpoint <file>', 'a signed checkpoint that must hold; may be repeated (default: the one beside the log)', collect, [])
  .option('--pubkey <key>', 'a verifier key that is trusted, or a file with it; may be repeated', collect, [])
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nExit codes: 0 sound, 3 tampered with, 4 only a torn last line.\n\nExample:\n  incident-recorder audit verify var/audit.jsonl --receipt 5:9c56cc51… --checkpoint held.checkpoint --pubkey host/incident-recorder+…',
  )
  .action(async (log: string[], options: VerifyOptions) => runCommand(async () => verify(log, options)));

audit
  .command('prune')
  .description('removes the oldest files of the log, and tells again what is still needed of them')
  .requiredOption('--before <instant>', 'files of which every record is older go, such as 2026-03-13; at least 24 hours ago')
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nThe service must be stopped: no request can remove a record. Its environment (AUDIT_LOG_PATH, DATABASE_PATH, …) says where all is.\nOnly what a signed checkpoint covers is removed. Exit codes: 0 done, 2 refused, 1 the service is running.\n\nExample:\n  incident-recorder audit prune --before 2026-01-01',
  )
  .action(async (options: PruneOptions) => runCommand(async () => prune(options)));

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
  .action(async (log: string[], options: RebuildOptions) => runCommand(async () => rebuild(log, options)));

await program.parseAsync();
