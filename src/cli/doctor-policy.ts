// The policy on the disk: whether it could be put in force, whether it is, and whether the cage lets through where it leads.

import type { Config } from '../config.ts';
import { RecorderError } from '../errors.ts';
import { actuatorsOfEnvironment } from '../policy/environment.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Policy } from '../policy/policy.ts';
import { portsOf } from '../policy/ports.ts';
import { loadSecrets } from '../policy/secrets.ts';
import { warningsOf } from '../policy/warnings.ts';
import { type Line, line } from './doctor-line.ts';

export interface PolicyParts {
  readonly config: Pick<
    Config,
    'CONTAINMENT_POLICY_PATH' | 'SECRETS_PREFIX' | 'AGENT_SOCKET' | 'AGENT_URL' | 'AIRLOCK_URL' | 'REGISTRY_URL'
  >;
  /** Where its secrets can be opened by this command; null = they are not for us to read. */
  readonly secrets: string | null;
  /** Ports that the cage of the running service leaves open; null = any, undefined = not known. */
  readonly open: readonly number[] | null | undefined;
  /** The hash of what the log says is in force; null = it does not say. */
  readonly inForce: string | null;
}

/** One line, or one for each fault. */
export function policyLines({ config, secrets, open, inForce }: PolicyParts): Line[] {
  const path = config.CONTAINMENT_POLICY_PATH;
  const wrong = (seen: string) => line('policy', 'WRONG', seen, 'seen on the disk');
  let policy: Policy | null;
  try {
    policy = loadPolicy(path, actuatorsOfEnvironment(config));
    if (!policy) return [wrong(`${path}: there is no such file, so the built-in policy is in force`)];
    if (secrets !== null) loadSecrets(policy, { dir: secrets, prefix: config.SECRETS_PREFIX });
  } catch (error) {
    if (!(error instanceof RecorderError)) throw error;
    return error.message.split('\n').map(wrong);
  }
  const ports = portsOf(policy);
  const closed = open ? ports.filter((port) => !open.includes(port)) : [];
  const faults = [
    ...(inForce !== null && inForce !== policy.sha256 ? [`${path}: is not the policy in force: reload it`] : []),
    ...(closed.length > 0
      ? [`${path}: leads to ports that the sandbox of this run keeps closed (${closed.join(', ')}): restart the service`]
      : []),
  ];
  if (faults.length > 0) return faults.map(wrong);
  const warnings = warningsOf(policy).length;
  const named = [...policy.actuators.keys()];
  const told = [
    `${path}: ${policy.rules.size} rules, ${named.length === 0 ? 'no actuators' : `actuators ${named.join(', ')}`}`,
    ...(ports.length > 0 && open !== undefined ? [`its ports ${ports.join(', ')} are open`] : []),
    ...(inForce === null ? [] : ['as in force']),
    ...(secrets === null ? ['its secrets were not opened'] : []),
    ...(warnings > 0 ? [`warnings: ${warnings}, told by incident-recorder policy check ${path}`] : []),
  ];
  return [line('policy', 'ok', told.join('; '), 'seen on the disk')];
}
