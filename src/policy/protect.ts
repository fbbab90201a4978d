// Which protections a target falls under. Pure; in doubt a target is protected.

import { ALL, type ActionName, type Target } from '../incident/actions.ts';
import { type Network, carriedIn, isWithin, parseIp, parseNetwork } from '../incident/ip.ts';
import type { Protection } from './policy.ts';

/** The protections of an action that this target falls under, in the order of the file. What is done to all of a kind is done to each of them. */
export function protectionsOf(protect: readonly Protection[], action: ActionName, target: Target): readonly Protection[] {
  return protect.filter((protection) => protection.actions.includes(action) && isHit(matcherOf(protection), target));
}

interface Matcher {
  readonly networks: readonly Network[];
  readonly names: ReadonlySet<string>;
  readonly beginnings: readonly string[];
}

/** Of the policies in force: a file is read once, and asked for each report. */
const matchers = new WeakMap<Protection, Matcher>();

function matcherOf(protection: Protection): Matcher {
  const known = matchers.get(protection);
  if (known) return known;
  const { targets } = protection;
  const made: Matcher = {
    networks: targets.map(parseNetwork).filter((network) => network !== null),
    names: new Set(targets.filter((target) => !target.endsWith('*')).map(folded)),
    beginnings: targets.filter((target) => target.endsWith('*')).map((target) => folded(target.slice(0, -1))),
  };
  matchers.set(protection, made);
  return made;
}

function isHit({ networks, names, beginnings }: Matcher, { type, id }: Target): boolean {
  if (id === ALL || beginnings.includes('')) return true;
  const ip = type === 'ip' ? parseIp(id) : null;
  if (ip) {
    const carried = carriedIn(ip);
    return networks.some((network) => isWithin(network, ip) || (carried !== null && isWithin(network, carried)));
  }
  const spellings = type === 'model' ? [folded(id), folded(plainPath(id))] : [folded(id)];
  return spellings.some((name) => names.has(name) || beginnings.some((beginning) => name.startsWith(beginning)));
}

/** Names that an identity service may take for one are one. */
function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().trim();
}

/** A path without its detours: `/models//a/../b` is `/models/b`. */
function plainPath(path: string): string {
  const steps: string[] = [];
  for (const step of path.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '.' && step !== '') steps.push(step);
  }
  return `${path.startsWith('/') ? '/' : ''}${steps.join('/')}`;
}
