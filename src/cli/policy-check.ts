// `policy check`: whether a policy file could be put in force, and what in it is seldom meant.

import { RecorderError } from '../errors.ts';
import { actuatorsOfEnvironment } from '../policy/environment.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Actuator, Policy } from '../policy/policy.ts';
import { loadSecrets } from '../policy/secrets.ts';
import { warningsOf } from '../policy/warnings.ts';
import { EXIT, print } from './output.ts';

export interface CheckOptions {
  /** The folder of the secrets that the policy names; without it they are not opened. */
  readonly secrets?: string;
  readonly json: boolean;
}

/** @returns 0 it could be put in force, whatever is warned of · 3 it could not */
export function checkPolicy(file: string, { secrets, json }: CheckOptions): number {
  const actuators = actuatorsOfEnvironment(process.env);
  try {
    const policy = policyGiven(file, actuators);
    if (secrets !== undefined) loadSecrets(policy, { dir: secrets, prefix: '' });
    const opened = isNamingSecrets(policy) ? secrets !== undefined : null;
    if (json) print(JSON.stringify({ ok: true, file, ...summaryOf(policy), secrets_opened: opened }));
    else tell(policy, file, opened).forEach(print);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof RecorderError) || error.code !== 'invalid_configuration') throw error;
    const { message, details } = error;
    if (json) print(JSON.stringify({ ok: false, file, errors: details.errors ?? [{ pointer: '', detail: message }] }));
    else message.split('\n').forEach(print);
    return EXIT.found;
  }
}

/**
 * @param actuators those of the environment, which the service falls back on too
 * @throws RecorderError "not_found", "invalid_configuration"
 */
export function policyGiven(file: string, actuators: readonly Actuator[] = actuatorsOfEnvironment(process.env)): Policy {
  const policy = loadPolicy(file, actuators);
  if (!policy) throw new RecorderError('not_found', `${file}: there is no such policy`);
  return policy;
}

function isNamingSecrets({ actuators, webhooks }: Policy): boolean {
  const named = [...actuators.values()].some(({ secret, token, token_required }) => secret !== null || (token !== null && token_required));
  return named || webhooks.some(({ secret }) => secret !== null);
}

function summaryOf(policy: Policy) {
  const { sha256, mode, rules, actuators } = policy;
  return { sha256, mode, rules: rules.size, actuators: [...actuators.keys()], warnings: warningsOf(policy) };
}

/** @param opened null = it names no secrets */
function tell(policy: Policy, file: string, opened: boolean | null): string[] {
  const { sha256, mode, rules, actuators, warnings } = summaryOf(policy);
  const asked = actuators.length === 0 ? 'no actuators' : `actuators ${actuators.join(', ')}`;
  return [
    `${file} is good: ${rules} rules, ${asked}, mode ${mode}, SHA-256 ${sha256}`,
    ...(opened === false ? ['the secrets that it names were not opened; give --secrets <folder>'] : []),
    ...warnings.map(({ line, text }) => `${file}${line === null ? '' : `:${line}`}: warning: ${text}`),
  ];
}
