// The commands of one actuator that are in memory: those that are sent or wait for their next attempt. The others wait in the table.

import type { Command, CommandOp, Result } from '../incident/command.ts';

/** The table that commands wait in. */
export interface Outbox {
  byId(id: string): Command | null;
  /** What is still to be delivered to an actuator, behind `after`, in the order of seq. */
  open(actuator: string, after: number, limit: number): Command[];
}

/** A command in memory. */
export interface Entry {
  readonly seq: number;
  readonly id: string;
  /** Action and target: of those with the same one only one is under way. */
  readonly key: string;
  readonly op: CommandOp;
  readonly incident_id: string;
  /** `waiting` for its next attempt; `asking`; or its result waits to be recorded, or is being recorded. */
  state: 'waiting' | 'asking' | 'untold' | 'telling';
  /** As it was when it was looked at last. */
  overdue: boolean;
  /** How often it was sent. */
  attempts: number;
  /** Whether it was sent since the lane knows it. */
  tried: boolean;
  /** Monotonic milliseconds: not before this. */
  due_at: number;
  /** That must not be cut short: its actuator asked for it, or its rule. */
  firm: boolean;
  last_tried: number;
  error: string | null;
  /** What came of it, while it is not recorded. */
  result: Result | null;
  /** How often it could not be recorded. */
  refusals: number;
  /** Whether it may be sent once at once though the breaker is open; null before anybody looked. */
  urgent: boolean | null;
}

export interface Window {
  readonly entries: ReadonlyMap<number, Entry>;
  /** Of a command, by its id; null when it is not in memory. */
  entryOf(id: string): Entry | null;
  /** There is something new in the table. */
  look(): void;
  /** What is overdue and not in memory is to be looked for in the whole table. */
  sweep(): void;
  /** Takes in what there is to be taken in, a few pages at most; true when it has to go on. */
  fill(now: number): boolean;
  drop(entry: Entry): void;
  /** It came to nothing: all others have their turn before it. When it is overdue, and others like it have no place, it comes again with a later sweep. */
  putBack(entry: Entry): void;
}

const PAGE = 100;
const PAGES = 5;
/** To the end from wherever it is, and once through all of it. */
const LAPS = 2;

/** @param places for those that are within their deadline, and as many again for those that are overdue */
export function createWindow(outbox: Outbox, actuator: string, places = 500): Window {
  const entries = new Map<number, Entry>();
  const byId = new Map<string, Entry>();
  /** All up to this was read once. */
  let tail = 0;
  let isNew = true;
  /** How far what is overdue was looked through; from the end it goes on at the beginning, so that all has its turn. */
  let swept = 0;
  /** How often the end is still to be reached. */
  let laps = 0;

  function add(entry: Entry): void {
    entries.set(entry.seq, entry);
    byId.set(entry.id, entry);
  }

  function drop({ seq, id }: Entry): void {
    entries.delete(seq);
    byId.delete(id);
  }

  function count(overdue: boolean): number {
    let n = 0;
    for (const entry of entries.values()) if (entry.overdue === overdue) n += 1;
    return n;
  }

  function takeNew(now: number): void {
    const page = outbox.open(actuator, tail, PAGE);
    let room = places - count(true);
    for (const command of page) {
      if (entries.has(command.seq)) continue;
      // One that is overdue and has no place comes with a sweep.
      if (command.overdue && room <= 0) laps = LAPS;
      else add(newEntry(command, now));
      room -= Number(command.overdue);
    }
    tail = page.at(-1)?.seq ?? tail;
    isNew = page.length === PAGE;
  }

  function takeOverdue(now: number): void {
    const page = outbox.open(actuator, swept, PAGE);
    let room = places - count(true);
    for (const command of page) {
      if (room <= 0) return;
      if (command.seq > tail) break;
      swept = command.seq;
      if (!command.overdue || entries.has(command.seq)) continue;
      add(newEntry(command, now));
      room -= 1;
    }
    if (page.length === PAGE && swept < tail) return;
    swept = 0;
    laps -= 1;
  }

  return {
    entries,
    entryOf: (id) => byId.get(id) ?? null,
    look: () => void (isNew = true),
    sweep: () => void (laps = LAPS),
    fill(now) {
      for (let pages = 0; pages < PAGES; pages += 1) {
        if (isNew && count(false) <= places - PAGE) takeNew(now);
        else if (laps > 0 && count(true) < places) takeOverdue(now);
        else return false;
      }
      return true;
    },
    drop,
    putBack(entry) {
      drop(entry);
      if (!entry.overdue || count(true) < places - 1) add(entry);
    },
  };
}

function newEntry({ seq, id, op, incident_id, action, target, attempts, overdue }: Command, now: number): Entry {
  return {
    ...{ seq, id, key: `${action}\0${target.type}\0${target.id}`, op, incident_id, state: 'waiting', overdue, attempts, tried: false },
    ...{ due_at: now, firm: false, last_tried: -Infinity, error: null, result: null, refusals: 0, urgent: null },
  };
}
