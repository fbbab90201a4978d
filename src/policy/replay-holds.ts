// The holds that a candidate policy would have had, as far as its rules bound them: told by the history and by its own orders. Pure.

import { type Memory, createMemory, oneMore } from './replay-memory.ts';

/** What is ordered by a candidate. */
export interface HoldOrder {
  /** Of action and target. */
  readonly key: string;
  readonly rule: string;
  readonly source: string;
  readonly max_holds: number;
  /** The id of the incident of the history whose report it is. */
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How long it holds by itself; null = until its incidents are resolved. */
  readonly ttl_ms: number | null;
  /** Whether an operator must approve it first. */
  readonly approval: boolean;
  /** Not by the candidate's rules, but because it is so under any policy. */
  readonly adopted: boolean;
}

/** A hold as the candidate would have it. */
export interface ReplayedHold {
  readonly by: string;
  /** Incidents of the history; no more than 256. */
  owners: readonly string[];
  readonly adopted: boolean;
  /** For an operator's word. */
  waiting: boolean;
  /** Milliseconds since 1970, as long as no hold of the history stands for it. */
  ends: number;
  /** It has ended, and its incidents may order it anew; what an operator refused they may not. */
  over: boolean;
}

export interface ReplayedHolds {
  /** A hold of the history is wanted from now on, or still; `waiting`: for an operator's word. */
  stands(id: string, key: string, waiting: boolean): void;
  /** An operator has said so: neither would the candidate's wait any more. */
  approved(id: string): void;
  /** Its end was moved, to milliseconds since 1970: of what the candidate has ordered itself, only an operator's word counts. */
  extended(id: string, ends: number, byOperator: boolean): void;
  /**
   * A hold of the history is wanted no more, and neither is the candidate's, unless an incident that the candidate alone has given it
   * still wants it, or it would hold for longer. `failed`: it was refused an approval.
   */
  ends(id: string, of: { reason: string; failed: boolean; now: number }): void;
  /** The hold that this opens, or joins; null when the rule has as many as it may have. */
  order(order: HoldOrder): ReplayedHold | null;
  /** The candidate's, of a hold of the history that stands, with one more owner; null when it does not. */
  owned(id: string, owner: string): ReplayedHold | null;
  /** Whether it has ended, and may be ordered anew. */
  isOver(key: string, hold: ReplayedHold, now: number): boolean;
  /** An incident of the history was resolved. */
  resolved(): void;
  /** One more incident would have owned these; null stands for what has no hold. */
  own(holds: readonly (ReplayedHold | null)[], owner: string): void;
  readonly forgotten: number;
}

/** @param isOpen whether an incident of the history is not resolved yet */
export function createReplayedHolds(max: number, isOpen: (incident: string) => boolean): ReplayedHolds {
  /** Of the candidate, by key. */
  const kept: Memory<ReplayedHold> = createMemory(max, (key, { by }) => unlist(by, key));
  const keysBy = new Map<string, Set<string>>();
  /** Rules and sources that were found to be at their bound: nothing can have changed before `until`, while `changes` is the same. */
  const full = new Map<string, { readonly changes: number; readonly until: number }>();
  let changes = 0;
  /** Of the history: keys by id, ids by key. */
  const stood: Memory<{ readonly key: string; readonly waiting: boolean }> = createMemory(max, (id, { key }) => forgetId(key, id));
  const idOf = new Map<string, string>();

  /** True when it was the one that stood for the key. */
  function forgetId(key: string, id: string): boolean {
    return idOf.get(key) === id && idOf.delete(key);
  }

  function unlist(by: string, key: string): void {
    const keys = keysBy.get(by);
    keys?.delete(key);
    full.delete(by);
    if (keys?.size === 0) keysBy.delete(by);
  }

  function drop(key: string, over = true): void {
    const hold = kept.get(key);
    if (!hold) return;
    hold.over = over;
    kept.delete(key);
    unlist(hold.by, key);
  }

  /** While the history has the same hold its end is the candidate's; else it ends by itself, or with the last of its incidents. */
  function live(key: string, now: number): ReplayedHold | null {
    const hold = kept.get(key);
    if (!hold) return null;
    if (idOf.has(key) || (now < hold.ends && hold.owners.some(isOpen))) return hold;
    drop(key);
    return null;
  }

  function outlives(key: string, reason: string, now: number): boolean {
    return (reason === 'last owner ended' || reason === 'expired') && live(key, now) !== null;
  }

  function hasRoom(by: string, max_holds: number, now: number): boolean {
    const keys = keysBy.get(by);
    if (!keys || keys.size < max_holds) return true;
    const found = full.get(by);
    if (found && found.changes === changes && now < found.until) return false;
    let until = Infinity;
    for (const key of keys) {
      const hold = live(key, now);
      if (!hold) return true;
      until = Math.min(until, hold.ends);
    }
    full.set(by, { changes, until });
    return false;
  }

  function addOwner(hold: ReplayedHold, owner: string): void {
    hold.owners = oneMore(hold.owners, owner, isOpen);
  }

  return {
    stands(id, key, waiting) {
      if (stood.has(id)) return;
      stood.set(id, { key, waiting });
      idOf.set(key, id);
    },
    approved(id) {
      const hold = stood.get(id);
      if (!hold?.waiting) return;
      stood.set(id, { ...hold, waiting: false });
      const same = kept.get(hold.key);
      if (same) same.waiting = false;
    },
    extended(id, ends, byOperator) {
      const same = kept.get(stood.get(id)?.key ?? '');
      if (same && (byOperator || same.adopted)) same.ends = ends;
      changes += 1;
    },
    ends(id, { reason, failed, now }) {
      const hold = stood.get(id);
      if (!hold) return;
      stood.delete(id);
      changes += 1;
      if (forgetId(hold.key, id) && (failed || !outlives(hold.key, reason, now))) drop(hold.key, !failed);
    },
    order({ key, rule, source, max_holds, owner, now, ttl_ms, approval, adopted }) {
      const ends = ttl_ms === null ? Infinity : now + ttl_ms;
      const joins = live(key, now);
      if (joins) {
        addOwner(joins, owner);
        joins.ends = Math.max(joins.ends, ends);
        joins.waiting &&= approval;
        return joins;
      }
      const by = JSON.stringify([rule, source]);
      if (!hasRoom(by, max_holds, now)) return null;
      const hold = { by, owners: [owner], adopted, waiting: approval, ends, over: false };
      kept.set(key, hold);
      keysBy.set(by, (keysBy.get(by) ?? new Set()).add(key));
      return hold;
    },
    owned(id, owner) {
      const hold = kept.get(stood.get(id)?.key ?? '') ?? null;
      if (hold) addOwner(hold, owner);
      return hold;
    },
    isOver(key, hold, now) {
      if (kept.get(key) === hold) live(key, now);
      return hold.over;
    },
    resolved: () => void (changes += 1),
    own(holds, owner) {
      for (const hold of holds) if (hold) addOwner(hold, owner);
    },
    get forgotten() {
      return kept.forgotten + stood.forgotten;
    },
  };
}
