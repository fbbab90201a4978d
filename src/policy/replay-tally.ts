// What a candidate policy would have changed, counted report by report: how it was, and how it would have been. Pure.

import { ACTION_NAMES } from '../incident/actions.ts';
import { type Severity, rankOf } from '../incident/vocabulary.ts';
import { createMemory, wordFor } from './replay-memory.ts';

/** One action of one report: ordered, waiting for an operator's word, or refused. */
export interface Order {
  readonly action: string;
  /** `type:id`; `action:?` where the report has none. */
  readonly target: string;
  readonly as: 'ordered' | 'approval' | 'limit' | 'protected' | 'no_target';
}

/** What became of a report. */
export interface Fate {
  readonly how: 'new' | 'joined' | 'not_taken';
  /** Null when it was not taken. */
  readonly severity: Severity | null;
  readonly orders: readonly Order[];
}

/** How many it were, and how many it would be. */
export interface Both {
  readonly was: number;
  readonly now: number;
}

interface Told {
  readonly how: Fate['how'];
  readonly severity: Severity | null;
  /** `action target`, and in brackets what else is to be said of it. */
  readonly actions: readonly string[];
}

interface Changed {
  readonly seq: number;
  readonly id: string;
  readonly class: string;
  readonly was: Told;
  readonly now: Told;
}

/** A target that the candidate protects, and that was, or would be, acted on. */
interface Protected {
  readonly action: string;
  readonly target: string;
  /** How often it was ordered; and how often the candidate's own rules would want it, each refused or kept for an operator. */
  readonly was: number;
  readonly now: number;
  /** Whether an operator may approve it. */
  readonly with_approval: boolean;
}

export interface Tally {
  readonly reports: number;
  readonly incidents: Both;
  /** Orders, those that wait for an approval included. */
  readonly by_action: Readonly<Record<string, Both>>;
  /** Distinct targets of them. */
  readonly targets: Readonly<Record<string, Both>>;
  readonly severity: { readonly raised: number; readonly lowered: number };
  readonly approvals: Both;
  readonly refused: Readonly<Record<'limit' | 'protected' | 'no_target', Both>>;
  /** Reports of classes that the candidate does not know: they would be refused at the door. */
  readonly not_taken: number;
  /** The first 100, and how many there are. */
  readonly protected: { readonly count: number; readonly first: readonly Protected[] };
  readonly changed: { readonly count: number; readonly first: readonly Changed[] };
}

export interface ReplayTally {
  compare(report: { seq: number; id: string; class: string }, was: Fate, now: Fate): void;
  /** A target that is protected: it `was` acted on, or would be wanted `now`. */
  hit(order: { action: string; target: string }, side: keyof Both, with_approval: boolean): void;
  outcome(): Tally;
  readonly forgotten: number;
}

const MAX_SHOWN = 100;
const MAX_TEXT = 200;

type Counter = { -readonly [side in keyof Both]: Both[side] };
const zero = (): Counter => ({ was: 0, now: 0 });

/** @param max distinct targets that are remembered */
export function createReplayTally(max: number): ReplayTally {
  const incidents = zero();
  const actions = new Map<string, Counter>();
  const targets = new Map<string, Counter>();
  const seen = createMemory<true>(max);
  const refused = { limit: zero(), protected: zero(), no_target: zero() };
  const approvals = zero();
  const severity = { raised: 0, lowered: 0 };
  const hits = createMemory<{ -readonly [key in keyof Protected]: Protected[key] }>(max);
  const first: Changed[] = [];
  let [reports, changed, notTaken] = [0, 0, 0];

  function count({ action, target, as }: Order, side: keyof Both): void {
    if (as !== 'ordered' && as !== 'approval') return void (refused[as][side] += 1);
    if (as === 'approval') approvals[side] += 1;
    of(actions, action)[side] += 1;
    const key = `${side} ${action} ${wordFor(target)}`;
    if (!seen.has(key)) of(targets, action)[side] += 1;
    seen.set(key, true);
  }

  return {
    compare(report, was, now) {
      reports += 1;
      for (const [side, fate] of [['was', was] as const, ['now', now] as const]) {
        if (fate.how === 'new') incidents[side] += 1;
        for (const order of fate.orders) count(order, side);
      }
      if (now.how === 'not_taken') notTaken += 1;
      const rise = was.severity && now.severity ? rankOf(now.severity) - rankOf(was.severity) : 0;
      if (rise !== 0) severity[rise > 0 ? 'raised' : 'lowered'] += 1;
      if (isSame(was, now)) return;
      changed += 1;
      if (first.length < MAX_SHOWN) first.push({ ...report, was: told(was), now: told(now) });
    },
    hit({ action, target }, side, with_approval) {
      const key = `${action} ${wordFor(target)}`;
      const hit = hits.get(key) ?? { action, target: short(target), ...zero(), with_approval };
      hit[side] += 1;
      if (!hits.has(key)) hits.set(key, hit);
    },
    outcome: () => ({
      ...{ reports, incidents: { ...incidents }, by_action: inOrder(actions), targets: inOrder(targets) },
      ...{ severity: { ...severity }, approvals: { ...approvals } },
      refused: { limit: { ...refused.limit }, protected: { ...refused.protected }, no_target: { ...refused.no_target } },
      not_taken: notTaken,
      protected: { count: hits.size + hits.forgotten, first: [...hits.values().take(MAX_SHOWN)] },
      changed: { count: changed, first: [...first] },
    }),
    get forgotten() {
      return seen.forgotten + hits.forgotten;
    },
  };
}

function of(counters: Map<string, Counter>, name: string): Counter {
  const counter = counters.get(name) ?? zero();
  counters.set(name, counter);
  return counter;
}

/** As the table of actions has them, and what it does not know any more behind. */
function inOrder(counters: ReadonlyMap<string, Counter>): Record<string, Both> {
  const names = [...ACTION_NAMES.filter((name) => counters.has(name)), ...[...counters.keys()].filter((name) => !isKnown(name))];
  return Object.fromEntries(names.map((name) => [name, { ...(counters.get(name) ?? zero()) }]));
}

const isKnown = (name: string) => (ACTION_NAMES as readonly string[]).includes(name);

/** The order of the actions makes no difference. */
function isSame(a: Fate, b: Fate): boolean {
  if (a.how !== b.how || a.severity !== b.severity || a.orders.length !== b.orders.length) return false;
  const [these, those] = [a, b].map(({ orders }) =>
    orders.map(({ action, target, as }) => JSON.stringify([action, target, as])).toSorted(),
  );
  return JSON.stringify(these) === JSON.stringify(those);
}

const AS: Record<Order['as'], string> = {
  ordered: '',
  approval: ' (waits for an approval)',
  limit: ' (refused: limit)',
  protected: ' (refused: protected)',
  no_target: ' (refused: no target)',
};

function told({ how, severity, orders }: Fate): Told {
  return { how, severity, actions: orders.map(({ action, target, as }) => `${action}${target && ` ${short(target)}`}${AS[as]}`) };
}

function short(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}
