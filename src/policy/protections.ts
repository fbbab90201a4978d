// Protections of a policy file, refused when they could not hit anything: who relies on one must not be mistaken.

import { ALL, type ActionName, isOurs, rowOf } from '../incident/actions.ts';
import { parseNetwork } from '../incident/ip.ts';
import type { YamlFile } from '../input/yaml.ts';
import type { Protection } from './policy.ts';
import type { PolicyFile } from './schema.ts';

/** @throws RecorderError "invalid_configuration" */
export function protectionsIn(file: YamlFile<PolicyFile>): Protection[] {
  return file.value.protect.map(({ actions, targets, allow }, i) => {
    const refuse = (key: string, n: number, detail: string) => file.refusal(['protect', i, key, n], detail);
    const mayBeIp = actions.some((action) => rowOf(action).targets.includes('ip'));
    actions.forEach((action, n) => {
      if (actions.indexOf(action) !== n) throw refuse('actions', n, `names ${action} a second time`);
      if (isOurs(action)) throw refuse('actions', n, `names ${action}, which is done to nobody`);
      if (!targets.some((target) => canHit(action, target)))
        throw refuse('actions', n, `names ${action}, and no target here is ${kindsOf(action)}`);
    });
    targets.forEach((target, n) => {
      const fault = faultOf(target, mayBeIp);
      if (fault) throw refuse('targets', n, fault);
      if (!actions.some((action) => canHit(action, target))) throw refuse('targets', n, `is not ${actions.map(kindsOf).join(' or ')}`);
    });
    return { actions, targets, with_approval: allow !== undefined, line: file.lineOf(['protect', i]) };
  });
}

/** What looks like an address, where one may stand, is one, and not a name that nobody has. */
function faultOf(target: string, mayBeIp: boolean): string | null {
  if (parseNetwork(target)) return null;
  const looksLike4 = /^[\d.*/]+$/.test(target) && /[./]/.test(target);
  const looksLike6 = /^[\da-f:.*/]+$/i.test(target) && target.split(':').length > 2;
  if (mayBeIp && (looksLike4 || looksLike6)) {
    return 'is no address or network: no leading zeros, no bits behind the prefix, no *; such as 10.0.0.0/8 or ::1';
  }
  const star = target.indexOf('*');
  return star >= 0 && star < target.length - 1 ? 'has a * that is not at its end' : null;
}

function canHit(action: ActionName, target: string): boolean {
  if (target === ALL) return true;
  const { targets, may_tell } = rowOf(action);
  if (may_tell.length === 0) return false;
  return parseNetwork(target) === null ? targets.some((type) => type !== 'ip') : targets.includes('ip');
}

function kindsOf(action: ActionName): string {
  const { targets, may_tell } = rowOf(action);
  const kinds = targets.map((type) => (type === 'ip' ? 'an address or network' : `the name of one ${type}`));
  return may_tell.length === 0 ? `"${ALL}", the only target of ${action}` : kinds.join(' or ');
}
