// One JSON line on stdout per event, with the journal's priority in front of it where the journal listens.

import { writeSync } from 'node:fs';

/** Least to most pressing, with the priority of syslog(3) that journalctl -p knows. */
const PRIORITY = { debug: 7, info: 6, warning: 4, error: 3, critical: 2 } as const;

export type Level = keyof typeof PRIORITY;
export const LEVELS = Object.keys(PRIORITY) as Level[];

export type Log = Record<Level, (message: string, fields?: Record<string, unknown>) => void>;

export interface LogParts {
  /** What is less pressing than this is not written. */
  level: Level;
  /** True when stdout is the journal (JOURNAL_STREAM is set): each line then opens with `<N>`. */
  journal: boolean;
  write?: (line: string) => void;
  now?: () => Date;
}

/**
 * A log whose lines hold no control, bidirectional or line-separating character, whatever the fields hold: text of
 * incidents is attacker-controlled and ends up on terminals. Writes are synchronous, so the last line before an exit is kept.
 * It never throws: what JSON cannot show is left out.
 */
export function createLog({ level, journal, write = writeStdout, now = () => new Date() }: LogParts): Log {
  const emit =
    (of: Level) =>
    (message: string, fields: Record<string, unknown> = {}) => {
      if (PRIORITY[of] > PRIORITY[level]) return;
      const head = { ts: now().toISOString(), level: of, message };
      const line = jsonOf({ ...head, ...fields }) ?? JSON.stringify({ ...head, unshown: Object.keys(fields) });
      write(`${journal ? `<${PRIORITY[of]}>` : ''}${escapeUnprintable(line)}\n`);
    };
  return { debug: emit('debug'), info: emit('info'), warning: emit('warning'), error: emit('error'), critical: emit('critical') };
}

/** Null for what has no JSON: a circle, a bigint, a toJSON that throws. */
function jsonOf(value: object): string | null {
  try {
    return JSON.stringify(value);
  } catch {
    return null;
  }
}

/** One line of text as JSON would escape it: C0, DEL, C1, bidirectional marks and the Unicode line ends are shown, not obeyed. */
export function escapeUnprintable(line: string): string {
  return line.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Whether the last line was cut short by a pipe that was full: the next one must not be glued to it. */
let torn = false;

/** A reader that is gone (EPIPE) or slow (EAGAIN) must not stop the recorder: the line is dropped, the service goes on. */
function writeStdout(line: string): void {
  const bytes = Buffer.from(torn ? `\n${line}` : line);
  try {
    torn = writeSync(1, bytes) < bytes.length;
  } catch {
    // The audit log is the record; this is only its loudspeaker.
  }
}

/** So much is written without waiting for more. */
const MAX_GATHERED = 16 * 1024;

/**
 * What is written by one piece of work, such as the alerts of a commit, in one write: right after it, before any promise that it has kept is
 * heard of, and before the process ends by itself. Who becomes another program must write without it.
 */
export function gathered(write: (lines: string) => void = writeStdout): (line: string) => void {
  let lines = '';
  const flush = () => {
    if (lines === '') return;
    const ready = lines;
    lines = '';
    write(ready);
  };
  process.on('exit', flush);
  return (line) => {
    if (lines === '') queueMicrotask(flush);
    lines += line;
    if (lines.length > MAX_GATHERED) flush();
  };
}
