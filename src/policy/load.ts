// From the text of a policy file to a policy that may be in force, or a refusal that says where and why.

import { createHash } from 'node:crypto';
import { didYouMean } from '../input/text.ts';
import { readSmallFile } from '../input/file.ts';
import { type YamlFile, readYaml } from '../input/yaml.ts';
import { CLASSES, type Severity } from '../incident/vocabulary.ts';
import type { Policy, Rule } from './policy.ts';
import { POLICY_KEYS, PolicyFile } from './schema.ts';

const MAX_POLICY_BYTES = 256 * 1024;

/**
 * The policy in a file, or null when there is no such file.
 * @throws RecorderError "invalid_configuration" with line and column of each fault.
 */
export function loadPolicy(path: string): Policy | null {
  const file = readSmallFile(path, MAX_POLICY_BYTES);
  return file && parsePolicy(path, file.text);
}

/** @throws RecorderError "invalid_configuration" */
export function parsePolicy(path: string, text: string): Policy {
  const file = readYaml({ name: path, text, schema: PolicyFile, keys: POLICY_KEYS });
  const { mode, without_actuator, self, alerting } = file.value;
  const classes = knownClasses(file);
  return {
    from: 'file',
    sha256: createHash('sha256').update(text).digest('hex'),
    text,
    mode,
    without_actuator,
    rules: new Map(Object.keys(file.value.rules).map((name) => [name, ruleOf(file, name, classes)])),
    classes,
    self,
    webhooks: alerting.webhooks.map(({ url }) => url),
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

/** One rule, refused when it could never do what it says. */
function ruleOf(file: YamlFile<PolicyFile>, name: string, classes: ReadonlyMap<string, unknown>): Rule {
  const path = ['rules', name];
  if (!classes.has(name)) throw file.refusal(path, `is not a known class; add it under classes${didYouMean(name, classes.keys())}`);
  const written = file.value.rules[name] as PolicyFile['rules'][string];
  const { auto_contain, actions, default_severity, min_severity, dedupe, escalate, max_holds } = written;
  const twice = actions.findIndex((action, i) => actions.indexOf(action) !== i);
  if (twice >= 0) throw file.refusal([...path, 'actions', twice], `names ${actions[twice]} a second time`);
  if (auto_contain && actions.length === 0) throw file.refusal([...path, 'auto_contain'], 'is true, but the rule has no actions');
  if (escalate?.to === 'low') throw file.refusal([...path, 'escalate', 'to'], 'is low: an escalation only ever raises');
  return {
    auto_contain,
    actions,
    default_severity: default_severity ?? null,
    min_severity: min_severity ?? null,
    dedupe: dedupe ? { by: dedupe.by, window_ms: dedupe.window } : null,
    escalate: escalate ? { count: escalate.count, window_ms: escalate.window, to: escalate.to } : null,
    max_holds,
    line: file.lineOf(path),
  };
}
