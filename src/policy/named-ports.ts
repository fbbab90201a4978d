// The ports that a policy file and the environment name, found without judging either: the launcher opens them before the service reads the policy.

import { RecorderError } from '../errors.ts';
import { readSmallFile } from '../input/file.ts';
import { isObject } from '../input/bounds.ts';
import { MAX_POLICY_BYTES } from './policy.ts';
import { portOf } from './port-of.ts';

type Env = Readonly<Partial<Record<string, string>>>;

/** Of the actuators that the environment names, for a policy that names none. */
const URLS_OF_ACTUATORS = ['AGENT_URL', 'AIRLOCK_URL', 'REGISTRY_URL'];

/** What a policy names, as far as ports go. */
interface Named {
  /** Of actuators and webhooks. */
  readonly addresses: readonly unknown[];
  /** Whether it has actuators: then those of the environment do not count. */
  readonly hasActuators: boolean;
}
const NOTHING: Named = { addresses: [], hasActuators: false };

/**
 * Each once, in ascending order. Of a file that is missing or bad: none, for the service will not start with it, and says why.
 * @param env with the variables of the README, as the service will be given them
 */
export async function namedPorts(env: Env): Promise<number[]> {
  const text = readPolicy(env['CONTAINMENT_POLICY_PATH']);
  const { addresses, hasActuators } = writtenPlainly(text) ?? (await parsed(text));
  const fallback = hasActuators ? [] : URLS_OF_ACTUATORS.map((name) => env[name]);
  const ports = [...addresses, ...fallback, env['WITNESS_URL']].flatMap((url) => (typeof url === 'string' ? (portOf(url) ?? []) : []));
  return [...new Set(ports)].toSorted((a, b) => a - b);
}

function readPolicy(path: string | undefined): string {
  try {
    return (path ? readSmallFile(path, MAX_POLICY_BYTES)?.text : null) ?? '';
  } catch (error) {
    if (error instanceof RecorderError) return '';
    throw error;
  }
}

/**
 * As policies are mostly written, so that the parser of YAML need not be loaded, for which a start would take a tenth longer.
 * Null when one of the words stands there in any other way than a plain key with a plain value: then only the parser knows.
 */
function writtenPlainly(text: string): Named | null {
  const said = text.replaceAll(/(^|\s)#.*$/gm, '$1');
  const words = said.match(/\b(?:push|pull|url)\b/g) ?? [];
  const addresses = [...said.matchAll(/(?<=^|[\s{,])(?:push|url):[ ]+"((?:https?|unix):[^"\\\s]*)"/gm)].map(([, address]) => address);
  const pulled = said.match(/(?<=^|[\s{,])pull:[ ]+true\b/gm) ?? [];
  if (addresses.length + pulled.length !== words.length) return null;
  return { addresses, hasActuators: /\b(?:push|pull)\b/.test(said) };
}

async function parsed(text: string): Promise<Named> {
  const { plainYaml } = await import('../input/yaml-document.ts');
  try {
    const policy = objectOf(plainYaml(text));
    const actuators = Object.values(objectAt(policy, 'actuators'));
    const pushed = actuators.map((actuator) => objectOf(actuator)['push']);
    const told = listAt(objectAt(policy, 'alerting'), 'webhooks').map((webhook) => objectOf(webhook)['url']);
    return { addresses: [...pushed, ...told], hasActuators: actuators.length > 0 };
  } catch (error) {
    if (error instanceof RecorderError) return NOTHING;
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
