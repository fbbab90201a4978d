// Whether there is room for what comes next: for all of it, or only for what cannot wait, which has the reserve to itself.

import { setImmediate } from 'node:timers/promises';
import { RecorderError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Reserve } from '../store/reserve.ts';
import type { Change } from './draft.ts';

export interface Room {
  /** True while what can wait is refused: the store is over its bound, or the disk is full and the reserve not whole again. */
  readonly isShort: boolean;
  /** @throws RecorderError "storage_full" while what can wait is refused */
  demand(): void;
  /** Told after each commit how many bytes of the store hold something. */
  measure(usedBytes: number): void;
  /** The disk took no more. Frees a piece of the reserve for what cannot wait; false when there is none, or it can wait. */
  make(canWait: boolean): boolean;
  /** Builds the reserve, or takes back what was given up of it: some MiB, as far as the disk has room. */
  refill(): Promise<void>;
  /** True when the reserve lacks nothing that it held, so that it makes sense to ask the disk again. */
  readonly isWhole: boolean;
  /** Whether the disk has hardly any room left, so that a start must try it to know. */
  readonly isTight: boolean;
  /** Writes what does not matter. When the disk takes it, there is room again. */
  readonly probe: Change<void>;
}

export interface RoomParts {
  reserve: Reserve;
  /** Bytes of the store that hold something, now. */
  usedBytes: number;
  /** Over this, what can wait is refused. */
  maxBytes: number;
  log: Log;
}

/** 4 MiB in pieces of 256 KiB. */
const PIECES_AT_A_TIME = 16;

export function createRoom({ reserve, usedBytes, maxBytes, log }: RoomParts): Room {
  let overBound = usedBytes > maxBytes;
  let diskFull = false;
  let spent = false;

  function fill(): void {
    if (!diskFull) log.critical('the disk is full: what can wait is refused until there is room', { reserve: reserve.held });
    diskFull = true;
  }
  function regain(): void {
    if (!diskFull || reserve.owed > 0) return;
    [diskFull, spent] = [false, false];
    log.warning('the disk has room again: all is taken', { reserve: reserve.held });
  }

  // It was full when the recorder last ran, or while it was opening its store.
  if (reserve.owed > 0) fill();

  return {
    get isShort() {
      return overBound || diskFull;
    },
    demand() {
      if (diskFull) throw new RecorderError('storage_full', 'the disk is full; only what contains is taken', { retry_after: 10 });
      if (overBound)
        throw new RecorderError('storage_full', 'the store is over its bound (STORE_MAX_BYTES); only what contains is taken', {
          retry_after: 60,
        });
    },
    measure(bytes) {
      overBound = bytes > maxBytes;
    },
    make(canWait) {
      fill();
      if (canWait) return false;
      if (reserve.giveUp()) return true;
      if (!spent) log.critical('the disk is full and nothing is left of the reserve: nothing can be recorded');
      spent = true;
      return false;
    },
    async refill() {
      for (let n = 0; n < PIECES_AT_A_TIME && reserve.grow(); n += 1) await setImmediate();
    },
    get isWhole() {
      return reserve.owed === 0;
    },
    get isTight() {
      return reserve.isTight;
    },
    probe(draft) {
      draft.canWait();
      draft.meta.probe();
      draft.afterwards(regain);
    },
  };
}
