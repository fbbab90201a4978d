// What time brings: holds that end by themselves, commands and approvals that are overdue, and what was left undone.

import type { Command } from '../incident/command.ts';
import type { Log } from '../log.ts';
import { knownActuator } from '../policy/policy.ts';
import type { Store } from '../store/store.ts';
import { overdueApproval } from './approvals.ts';
import type { Bell } from './bell.ts';
import { OURSELVES } from './caller.ts';
import { request } from './commands.ts';
import type { Draft } from './draft.ts';
import { endHold } from './holds.ts';
import type { Queue } from './queue.ts';
import { reconcileChange } from './reconcile.ts';
import { overdueCommand } from './results.ts';
import { settle, settleChange } from './settle.ts';

export interface Due {
  /** To be called every second. */
  tick(): Promise<void>;
  /** Holds the holds against the policy in force, all of them. */
  reconcile(): Promise<void>;
  /** Commands some of what is asked for, or has drifted, and is not under way: a log that was cut short can leave such. */
  mend(): Promise<void>;
  close(): void;
}

export interface DueParts {
  queue: Pick<Queue, 'submit' | 'monotonic'>;
  store: Pick<Store, 'holds' | 'commands' | 'approvals'>;
  bell: Pick<Bell, 'listen'>;
  /** How often a command was sent and what came of it last, as far as is known. */
  triedOf: (command: Command) => { attempts: number; error: string | null } | null;
  log: Log;
  now: () => Date;
}

const PAGE = 100;
/** Holds that are looked at for what is under way no more, each time. */
const EXAMINED = 500;
/** Taken in one change: nobody who reports meanwhile waits for more of them. */
const AT_ONCE = 10;
/** What has drifted, was commanded and is not mended, is commanded again when it is found so for this long. */
const MEND_AGAIN_MS = 60_000;
const LOOK_FOR_UNMET_MS = 10_000;

export function createDue({ queue, store, bell, triedOf, log, now }: DueParts): Due {
  const { monotonic } = queue;
  let looked = Number.NEGATIVE_INFINITY;
  let mended = 0;
  /** What was found drifted and not commanded, and since when: as far as is known, and of this round. */
  let unmended = new Map<number, number>();
  let foundNow = new Map<number, number>();
  let begun = false;
  let settling: Promise<void> | null = null;
  /** Said while it was settling: what is new may have come behind the last look. */
  let unsettled = false;
  const life = new AbortController();
  const isOver = () => life.signal.aborted;

  /** Once, before anything is judged by the clock of this run. */
  async function begin(): Promise<void> {
    if (begun) return;
    begun = true;
    const instant = now().toISOString();
    await queue.submit((draft) => {
      draft.holds.rebase(instant, monotonic());
      draft.commands.rebase(instant, monotonic());
    });
  }

  /** Page after page, as long as there is something to do. */
  async function each<T>(find: () => readonly T[], take: (draft: Draft, item: T) => void): Promise<void> {
    for (let found = find(); found.length > 0 && !isOver(); found = found.length < PAGE ? [] : find()) await takeAll(found, take);
  }

  /** A few at a time, in changes of their own. */
  async function takeAll<T>(found: readonly T[], take: (draft: Draft, item: T) => void): Promise<void> {
    for (let i = 0; i < found.length && !isOver(); i += AT_ONCE) {
      const items = found.slice(i, i + AT_ONCE);
      await queue.submit((draft) => {
        for (const item of items) take(draft, item);
        settle(draft);
      });
    }
  }

  async function settleAll(): Promise<void> {
    while (unsettled && !isOver()) {
      unsettled = false;
      while (!isOver() && (await queue.submit(settleChange)));
    }
    settling = null;
  }
  function settleSoon(): void {
    unsettled = true;
    settling ??= settleAll().catch((error: unknown) => {
      settling = null;
      log.error('incidents could not be settled', { error: String(error) });
    });
  }
  const deaf = [bell.listen('unsettled', settleSoon), bell.listen('policy', () => void reconcile().catch(complain))];
  function complain(error: unknown): void {
    log.error('holds could not be held against the policy', { error: String(error) });
  }

  async function reconcile(): Promise<void> {
    await begin();
    for (let after: number | null = 0; after !== null && !isOver();) after = await queue.submit(reconcileChange(after));
    settleSoon();
  }

  /** A page of what is wanted and is not under way; the next time the one behind it. */
  async function mendSome(): Promise<void> {
    const { holds, last } = store.holds.unmet(mended, EXAMINED);
    const at = monotonic();
    for (const { seq, status } of holds) if (status === 'drifted') foundNow.set(seq, unmended.get(seq) ?? at);
    const due = holds.filter(({ seq }) => at - (foundNow.get(seq) ?? -Infinity) >= MEND_AGAIN_MS);
    mended = last ?? 0;
    // Once round: what was not found again is under way, or well.
    if (last === null) {
      unmended = foundNow;
      foundNow = new Map();
    }
    await takeAll(due, (draft, { seq }) => mend(draft, seq));
  }

  return {
    reconcile,
    mend: mendSome,
    async tick() {
      await begin();
      const at = monotonic();
      const instant = now().toISOString();
      await each(
        () => store.holds.due(instant, at, PAGE),
        (draft, { seq }) => expire(draft, seq, instant),
      );
      await each(
        () => store.commands.ripe(at, PAGE),
        (draft, { seq, actuator }) => {
          draft.commands.free(seq);
          draft.ring(`actuator ${actuator}`);
        },
      );
      await each(
        () => store.commands.due(at, PAGE),
        (draft, { id }) => overdue(draft, id, triedOf, log),
      );
      await each(
        () => store.approvals.due(instant, PAGE),
        (draft, { id }) => undecided(draft, id, log),
      );
      if (at - looked < LOOK_FOR_UNMET_MS) return;
      looked = at;
      await mendSome();
    },
    close() {
      life.abort();
      for (const stop of deaf) stop();
    },
  };
}

// What was found before is looked at again within the change: it may have moved meanwhile.

function expire(draft: Draft, seq: number, now: string): void {
  const hold = draft.holds.bySeq(seq);
  if (!hold || hold.ending !== null || hold.expires_at === null || hold.expires_at > now) return;
  endHold(draft, hold, { reason: 'expired', ending: 'expired', by: { actor: OURSELVES.actor, incident_id: null } });
}

function overdue(draft: Draft, id: string, triedOf: DueParts['triedOf'], log: Log): void {
  const command = draft.commands.byId(id);
  if (!command || (command.status !== 'pending' && command.status !== 'accepted')) return;
  overdueCommand(draft, command, triedOf(command), log);
}

function undecided(draft: Draft, id: string, log: Log): void {
  const approval = draft.approvals.byId(id);
  if (approval?.status === 'pending' && !approval.escalated) overdueApproval(draft, approval, log);
}

function mend(draft: Draft, seq: number): void {
  const hold = draft.holds.bySeq(seq);
  if (!hold || !knownActuator(draft.policy, hold.actuator) || draft.commands.openOf(seq).length > 0) return;
  request(draft, hold, 'apply', hold.status === 'drifted' ? 'drifted' : 'reconciled', { actor: OURSELVES.actor, incident_id: null });
}
