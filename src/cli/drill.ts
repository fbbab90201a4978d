// `drill`: each actuator that commands are pushed to is told to contain what is not there, and to let it go: how long that takes.

import { readConfig } from '../config.ts';
import { type Drilled, drillOf } from '../delivery/drill.ts';
import { RecorderError } from '../errors.ts';
import { didYouMean } from '../input/text.ts';
import { builtInPolicy } from '../policy/built-in.ts';
import { actuatorsOfEnvironment } from '../policy/environment.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Actuator, Policy } from '../policy/policy.ts';
import { loadSecrets } from '../policy/secrets.ts';
import { EXIT, print, printError } from './output.ts';

export interface DrillOptions {
  /** The only one that is asked. */
  readonly actuator?: string;
  readonly json: boolean;
}

/**
 * @returns 0 each that was asked contains and lets go · 1 some do not
 * @throws RecorderError "invalid_configuration", "invalid_parameter" for an actuator that the policy does not name
 */
export async function drill({ actuator: only, json }: DrillOptions): Promise<number> {
  const config = readConfig(process.env);
  const fallback = actuatorsOfEnvironment(config);
  const policy = loadPolicy(config.CONTAINMENT_POLICY_PATH, fallback) ?? builtInPolicy(fallback);
  const secrets = loadSecrets(policy, { dir: config.SECRETS_DIR, prefix: config.SECRETS_PREFIX });
  const chosen = chosenOf(policy, only);
  if (process.stderr.isTTY && chosen.length > 0) printError(`asking ${chosen.map(({ name }) => name).join(', ')} …`);
  const drilled = await Promise.all(chosen.map(async (actuator) => drillOf(actuator, secrets)));
  if (json) print(JSON.stringify({ actuators: drilled }));
  else if (drilled.length === 0) printError('the policy names no actuator: there is nobody to ask');
  else tableOf(drilled).forEach(print);
  return drilled.some(({ outcome }) => outcome === 'failed') ? EXIT.failed : EXIT.ok;
}

function chosenOf({ actuators }: Policy, only: string | undefined): Actuator[] {
  if (only === undefined) return [...actuators.values()];
  const named = actuators.get(only);
  if (named) return [named];
  throw new RecorderError(
    'invalid_parameter',
    `--actuator ${only}: the policy names no such actuator${didYouMean(only, actuators.keys())}`,
  );
}

function tableOf(drilled: readonly Drilled[]): string[] {
  const rows = drilled.map(({ actuator, action, outcome, contain_ms, release_ms, attempts, detail }) => [
    ...[actuator, action ?? '–', outcome, timeOf(contain_ms), timeOf(release_ms)],
    [detail, attempts > 1 ? `${attempts} tries` : null].filter((part) => part !== null).join('; '),
  ]);
  const all = [['actuator', 'action', 'outcome', 'contain', 'release', ''], ...rows];
  const widths = all.reduce((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)), Array<number>());
  return all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function timeOf(ms: number | null): string {
  return ms === null ? '–' : `${ms.toFixed(1)} ms`;
}
