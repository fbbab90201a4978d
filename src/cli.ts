// The operator's command: `incident-recorder audit verify FILE…`.

import { Command } from 'commander';
import { ENVIRONMENT } from './config.ts';
import { EXIT, runCommand } from './cli/output.ts';
import { verify } from './cli/verify.ts';
import { VERSION } from './version.ts';

const program = new Command('incident-recorder')
  .description('Looks after what the recorder has kept.')
  .version(VERSION)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.ok : EXIT.usage));

const audit = program.command('audit').description('the hash-chained log');

audit
  .command('verify')
  .description('checks every record of a log, from its bytes alone')
  .argument('[files...]', 'the files of one log, oldest first (default: AUDIT_LOG_PATH)')
  .option(
    '--receipt <seq:hash>',
    'a receipt that must hold; may be repeated',
    (value, before: string[]) => [...before, value],
    [] as string[],
  )
  .option('--json', 'one JSON object instead of sentences', false)
  .addHelpText(
    'after',
    '\nExit codes: 0 sound, 3 tampered with, 4 only a torn last line.\n\nExample:\n  incident-recorder audit verify var/audit.jsonl --receipt 5:9c56cc51…',
  )
  .action(async (files: string[], options: { receipt: string[]; json: boolean }) => {
    const given = files.length > 0 ? files : [process.env['AUDIT_LOG_PATH'] ?? ENVIRONMENT.AUDIT_LOG_PATH];
    await runCommand(async () => verify(given, options));
  });

await program.parseAsync();
