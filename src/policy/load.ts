// From the text of a policy file to a policy that may be in force, or a refusal that says where and why.

import { createHash } from 'node:crypto';
import { readSmallFile } from '../input/file.ts';
import { type YamlFile, readYaml } from '../input/yaml.ts';
import { CLASSES, type Severity } from '../incident/vocabulary.ts';
import { actuatorsOf, refuseMismatches } from './actuators.ts';
import { type Actuator, MAX_POLICY_BYTES, type Policy } from './policy.ts';
import { protectionsIn } from './protections.ts';
import { ruleOf } from './rules.ts';
import { POLICY_KEYS, PolicyFile } from './schema.ts';

/**
 * The policy in a file, or null when there is no such file.
 * @param fallback the actuators of the environment
 * @throws RecorderError "invalid_configuration" with line and column of each fault.
 */
export function loadPolicy(path: string, fallback: readonly Actuator[] = []): Policy | null {
  const file = readSmallFile(path, MAX_POLICY_BYTES);
  return file && parsePolicy(path, file.text, fallback);
}

/**
 * @param fallback actuators that are used when the file names none
 * @throws RecorderError "invalid_configuration"
 */
export function parsePolicy(path: string, text: string, fallback: readonly Actuator[] = []): Policy {
  const file = readYaml({ name: path, text, schema: PolicyFile, keys: POLICY_KEYS });
  const { mode, contained_when, without_actuator, approvals, self, alerting } = file.value;
  const classes = knownClasses(file);
  const rules = new Map(Object.keys(file.value.rules).map((name) => [name, ruleOf(file, name, classes)]));
  const own = actuatorsOf(file, rules);
  const actuators = own.size > 0 ? own : new Map(fallback.map((each) => [each.name, each]));
  refuseMismatches(file, rules, actuators);
  return {
    from: 'file',
    sha256: createHash('sha256').update(text).digest('hex'),
    text,
    mode,
    contained_when,
    without_actuator,
    rules,
    protect: protectionsIn(file),
    actuators,
    approvals: { timeout_ms: approvals.timeout, on_timeout: approvals.on_timeout },
    classes,
    self,
    webhooks: alerting.webhooks.map(({ url, events, format, secret = null }) => ({ url, events, format, secret })),
  };
}

function knownClasses(file: YamlFile<PolicyFile>): Map<string, Severity | null> {
  const known = new Map<string, Severity | null>(CLASSES.map((name) => [name, null]));
  for (const [name, { default_severity }] of Object.entries(file.value.classes)) {
    if (known.has(name)) throw file.refusal(['classes', name], 'is one of the nine that are always there; give its severity in its rule');
    known.set(name, default_severity);
  }
  return known;
}
