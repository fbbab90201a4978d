// The ports that a policy file and the environment name, found without judging either: the launcher opens them before the service reads the policy.

import { RecorderError } from '../errors.ts';
import { readSmallFile } from '../input/file.ts';
import { isObject } from '../input/bounds.ts';
import { plainYaml } from '../input/yaml-document.ts';
import { MAX_POLICY_BYTES } from './policy.ts';
import { portOf } from './port-of.ts';

type Env = Readonly<Partial<Record<string, string>>>;

/** Of the actuators that the environment names, for a policy that names none. */
const URLS_OF_ACTUATORS = ['AGENT_URL', 'AIRLOCK_URL', 'REGISTRY_URL'];

/**
 * Each once, in ascending order. Of a file that is missing or bad: none, for the service will not start with it, and says why.
 * @param env with the variables of the README, as the service will be given them
 */
export function namedPorts(env: Env): number[] {
  const policy = readPolicy(env['CONTAINMENT_POLICY_PATH']);
  const actuators = Object.values(objectAt(policy, 'actuators')).map((actuator) => objectOf(actuator)['push']);
  const webhooks = listAt(objectAt(policy, 'alerting'), 'webhooks').map((webhook) => objectOf(webhook)['url']);
  const fallback = actuators.length > 0 ? [] : URLS_OF_ACTUATORS.map((name) => env[name]);
  const ports = [...actuators, ...webhooks, ...fallback, env['WITNESS_URL']].flatMap((url) =>
    typeof url === 'string' ? (portOf(url) ?? []) : [],
  );
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

function readPolicy(path: string | undefined): Record<string, unknown> {
  try {
    const file = path ? readSmallFile(path, MAX_POLICY_BYTES) : null;
    return objectOf(file && plainYaml(file.text));
  } catch (error) {
    if (error instanceof RecorderError) return {};
    throw error;
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}
function objectAt(value: Record<string, unknown>, key: string): Record<string, unknown> {
  return objectOf(value[key]);
}
function listAt(value: Record<string, unknown>, key: string): readonly unknown[] {
  return Array.isArray(value[key]) ? value[key] : [];
}
