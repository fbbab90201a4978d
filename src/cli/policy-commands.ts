// `policy`: the commands that try a policy out, and their options. Nothing here is changed by them, nor is the service asked.

import type { Command } from 'commander';
import { runCommand } from './output.ts';
import type { CheckOptions } from './policy-check.ts';
import type { ExplainOptions } from './policy-explain.ts';
import type { ReplayOptions } from './policy-replay.ts';

const CHECK_HELP = `
A fault is told as file:line:column, with what was expected and the nearest known word. Warnings are of what may stand there and is seldom
meant: a class without a rule, an action that nobody is asked to do, an actuator that is never asked, a webhook without a secret.
AGENT_SOCKET, AGENT_URL, AIRLOCK_URL and REGISTRY_URL count as they do for the service, where the policy names no actuators.

Exit codes: 0 it could be put in force, 3 it could not.

Example:
  incident-recorder policy check policy/incident-containment.yaml --secrets /etc/secure-ai/secrets`;

const EXPLAIN_HELP = `
Tells the rule and its line, the severity and where it is from, each action with its target, conditions, protections and approvals, who would
be asked, and when the incident would count as contained. Nothing is looked up: how often it was reported, and whether that is too often, is
what --occurrences and --escalating say.

Exit codes: 0 explained, 2 the report is none that the service would take, 78 the policy is no good.

Example:
  incident-recorder policy explain policy.yaml --report report.json --occurrences 3 --escalating
  echo '{"class": "prompt_injection", "source": "tool-firewall", "description": "…"}' | incident-recorder policy explain policy.yaml --report -`;

const REPLAY_HELP = `
Each report of the log is decided again, with the windows, the incidents and the holds that this policy would have had, and compared with what
was decided then: orders and distinct targets of each action, approvals, refusals, severities, and which protected targets were, or would be,
acted on. An incident counts as resolved when it was; what operators ordered by hand is left as it was. The log is verified as it is read.
Memory is bounded: of a log that is too large for it, it is said that the figures are not exact.

Exit codes: 0 replayed, 3 the log is tampered with: what stands before that was replayed, 78 the policy is no good.

Example:
  incident-recorder policy replay candidate.yaml var/audit.jsonl --json`;

const JSON_OPTION = ['--json', 'one JSON object instead of sentences', false] as const;

export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('tries a policy out before it is put in force');

  policy
    .command('check')
    .description('checks a policy file as a start or a reload would')
    .argument('<file>', 'the policy')
    .option('--secrets <folder>', 'opens the secrets that it names, in this folder (SECRETS_DIR); without it they are not opened')
    .option(...JSON_OPTION)
    .addHelpText('after', CHECK_HELP)
    .action(async (file: string, options: CheckOptions) =>
      runCommand(async () => (await import('./policy-check.ts')).checkPolicy(file, options)),
    );

  policy
    .command('explain')
    .description('tells what a policy would decide about one report, and why')
    .argument('<file>', 'the policy')
    .requiredOption('--report <file>', 'the JSON of a report; - for stdin')
    .option('--occurrences <n>', 'how many reports its incident has had, with this one (default: 1)')
    .option('--escalating', 'takes it as one report too many in the window of its rule', false)
    .option(...JSON_OPTION)
    .addHelpText('after', EXPLAIN_HELP)
    .action(async (file: string, options: ExplainOptions) =>
      runCommand(async () => (await import('./policy-explain.ts')).explainPolicy(file, options)),
    );

  policy
    .command('replay')
    .description('tells what would have been otherwise under a policy, from all that a log tells')
    .argument('<file>', 'the policy')
    .argument('[log...]', 'the newest file of a log, which stands for all of it, or its files, oldest first (default: AUDIT_LOG_PATH)')
    .option(...JSON_OPTION)
    .addHelpText('after', REPLAY_HELP)
    .action(async (file: string, log: string[], options: ReplayOptions) =>
      runCommand(async () => (await import('./policy-replay.ts')).replayPolicy(file, log, options)),
    );
}
