// Actuators of a policy file: who can be asked to do what, and how; refused when it could not work as it is written.

import { type ActionName, isOurs, rowOf } from '../incident/actions.ts';
import type { YamlFile } from '../input/yaml.ts';
import { type Actuator, type Address, type Rule, canVerify } from './policy.ts';
import { isLocal, parsePush } from './push.ts';
import type { PolicyFile, WrittenActuator } from './schema.ts';

type Refuse = YamlFile<PolicyFile>['refusal'];

const DEADLINE_MS = 30_000;

/** By their names, in the order of the file. @throws RecorderError "invalid_configuration" */
export function actuatorsOf(file: YamlFile<PolicyFile>, rules: ReadonlyMap<string, Rule>): Map<string, Actuator> {
  const done = new Map<ActionName, string>();
  return new Map(
    Object.entries(file.value.actuators).map(([name, written]) => {
      const refuse: Refuse = (path, detail) => file.refusal(['actuators', name, ...path], detail);
      written.actions.forEach((action, i) => {
        const other = done.get(action);
        if (other !== undefined)
          throw refuse(['actions', i], other === name ? `names ${action} a second time` : `names ${action}, which ${other} does already`);
        if (isOurs(action)) throw refuse(['actions', i], `names ${action}, which the recorder does itself`);
        done.set(action, name);
      });
      return [name, actuatorOf(name, written, rules, refuse)];
    }),
  );
}

function actuatorOf(name: string, written: WrittenActuator, rules: ReadonlyMap<string, Rule>, refuse: Refuse): Actuator {
  const { actions, dialect, secret = null, token = null, deadline, heartbeat = null } = written;
  const push = addressOf(written, refuse);
  for (const [i, action] of actions.entries()) {
    if (dialect === 'secai' && rowOf(action).secai === null)
      throw refuse(['actions', i], `names ${action}, for which dialect secai has no word`);
  }
  return {
    name,
    actions,
    push,
    dialect,
    secret,
    token,
    token_required: true,
    deadline_ms: deadline ?? DEADLINE_MS,
    verify: verifyOf(written, rules, refuse),
    heartbeat_ms: heartbeat,
  };
}

/** Keys that go with a way of delivery, and the other way that they would be written with in vain. */
const ONLY_PUSHED = ['secret', 'token', 'verify', 'allow_remote'] as const;
const NOT_SECAI = ['secret', 'verify'] as const;

function addressOf(written: WrittenActuator, refuse: Refuse): Address | null {
  const { push, pull, dialect, heartbeat, token, allow_remote } = written;
  if (push === undefined && !pull) throw refuse([], 'needs push or pull: true');
  if (push !== undefined && pull) throw refuse(['pull'], 'does not go with push: commands are sent, or fetched');
  const vain = ONLY_PUSHED.find((key) => pull && written[key] !== undefined && written[key] !== false);
  if (vain) throw refuse([vain], 'goes with push: who fetches its commands has a token of its own, and tells in its heartbeat what holds');
  const unknown = NOT_SECAI.find((key) => dialect === 'secai' && written[key] !== undefined);
  if (unknown) throw refuse([unknown], 'does not go with dialect secai, which knows no signatures and no verify');
  if (pull && dialect === 'secai') throw refuse(['dialect'], 'is secai, which is only ever pushed');
  if (push === undefined) return null;
  if (heartbeat !== undefined) throw refuse(['heartbeat'], 'goes with pull: true; what is pushed is asked by verify');
  const address = parsePush(push, allow_remote);
  if ('fault' in address) throw refuse(['push'], address.fault);
  if (token !== undefined && address.over === 'tcp' && !address.tls && !isLocal(address))
    throw refuse(['token'], 'would be readable on its way: it needs https');
  return address;
}

function verifyOf({ verify, actions }: WrittenActuator, rules: ReadonlyMap<string, Rule>, refuse: Refuse): Actuator['verify'] {
  if (!verify) return null;
  const { get = null, expect, every } = verify;
  if (get === null && expect) throw refuse(['verify', 'expect'], 'goes with get');
  if (get !== null && !expect) throw refuse(['verify', 'get'], 'needs expect: an answer alone says nothing of what holds');
  const leave = 'leave get out, and each hold is asked for by its own command';
  if (get !== null && actions.length > 1) throw refuse(['verify', 'get'], `is one answer for ${actions.join(' and ')}; ${leave}`);
  const [action] = actions;
  const isMany = get !== null && action && (rowOf(action).unless_told !== 'all' || singledBy(action, rules) !== null);
  if (isMany) throw refuse(['verify', 'get'], `is one answer for every ${rowOf(action).targets.join(', ')}; ${leave}`);
  return { every_ms: every, get, expect: expect ?? {} };
}

/** Where a rule wants it for one of what there is, and not for all; null = nowhere. */
function singledBy(action: ActionName, rules: ReadonlyMap<string, Rule>): { rule: string; n: number } | null {
  for (const [rule, { actions }] of rules) {
    const n = actions.findIndex((each) => each.action === action && each.target !== null);
    if (n >= 0) return { rule, n };
  }
  return null;
}

/**
 * Rules and actuators that do not go together, wherever the actuators come from.
 * @throws RecorderError "invalid_configuration"
 */
export function refuseMismatches(
  file: YamlFile<PolicyFile>,
  rules: ReadonlyMap<string, Rule>,
  actuators: ReadonlyMap<string, Actuator>,
): void {
  for (const actuator of actuators.values()) {
    const { name, actions, dialect } = actuator;
    const all = dialect === 'secai' ? actions.filter((action) => rowOf(action).unless_told === 'all') : [];
    for (const action of all) {
      const single = singledBy(action, rules);
      if (!single) continue;
      const detail = `names one target of ${action}, and actuator ${name} speaks secai, in which it is done to all there is`;
      throw file.refusal(['rules', single.rule, 'actions', single.n, 'target'], detail);
    }
    if (file.value.contained_when !== 'verified' || canVerify(actuator)) continue;
    if (Object.hasOwn(file.value.actuators, name)) {
      throw file.refusal(
        ['actuators', name],
        'has neither verify nor heartbeat, and contained_when is verified: nothing it does would ever count',
      );
    }
    throw file.refusal(['contained_when'], `is verified, and actuator ${name} of the environment has neither verify nor heartbeat`);
  }
}
