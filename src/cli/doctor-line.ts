// A line of what the doctor says: a word, what it is about, what was seen, and from where.

import type { Sight } from '../sandbox/in-force.ts';

/** `unknown`: it cannot be told, or not by who asks. */
export type Word = 'ok' | 'WRONG' | 'unknown';

/** Where something is from. What is only said is somebody's configuration; what was seen is so. */
export type Source =
  | 'seen in /proc'
  | 'seen in /sys'
  | 'seen by the service'
  | 'said by the service'
  | 'said by systemd'
  | 'seen on the disk'
  | 'seen here';

export interface Line {
  readonly about: string;
  readonly word: Word;
  readonly seen: string;
  readonly from: readonly Source[];
}

/** True and false as they are meant here: it is as it should be, or it is not. */
export interface FromSomewhere extends Sight {
  readonly from: Source;
}

/** One that is wrong makes all of it wrong; what could be told stands for what could not. */
export function lineOf(about: string, sights: readonly FromSomewhere[]): Line {
  const word = sights.some(({ in_force }) => in_force === false) ? 'WRONG' : sights.some(({ in_force }) => in_force) ? 'ok' : 'unknown';
  return { about, word, seen: sights.map(({ seen }) => seen).join('; '), from: [...new Set(sights.map(({ from }) => from))] };
}

export function line(about: string, word: Word, seen: string, ...from: readonly Source[]): Line {
  return { about, word, seen, from };
}

/** Rows of columns that stand under each other. */
export function tableOf(lines: readonly Line[]): string[] {
  const rows = lines.map(({ word, about, seen, from }) => [word, about, from.join(', '), seen]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
