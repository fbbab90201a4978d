// `audit export`: records of a log as they stand in it, byte for byte, chosen by what they are and what they are about.

import { once } from 'node:events';
import type { Segment } from '../audit/verify.ts';
import { RecorderError } from '../errors.ts';
import { INCIDENT_ID } from '../incident/incident.ts';
import { holdsIn, readRecord } from '../incident/recorded.ts';
import { escapeUnprintable } from '../log.ts';
import { filesGiven, instantGiven, wholeNumberGiven } from './given.ts';
import { EXIT, printError } from './output.ts';
import { readThrough } from './survey.ts';

export interface ExportOptions {
  readonly from?: string;
  readonly to?: string;
  readonly since?: string;
  readonly until?: string;
  readonly incident?: string;
  /** Any of these; none = every type. */
  readonly type: readonly string[];
}

/** What is said at the head of a line, where it always stands. */
interface Head {
  readonly seq: number;
  readonly ts: string;
  readonly type: string;
  readonly id: string | null;
}

/** Longer than any head with a type and an id of ours. */
const HEAD_LENGTH = 256;
const LF = Buffer.from('\n');

/** @returns 0 written, also when its reader wants no more · 3 the log is tampered with, and only what stands before that was written */
export async function exportLog(given: readonly string[], options: ExportOptions): Promise<number> {
  const files = filesGiven(given);
  const choose = createChoice(options);
  const out = createOut();
  let count = 0;
  let done = false;
  const around = (segment: Segment): Segment => ({ ...segment, blocks: out.poured(segment.blocks, () => done) });
  const onRecord = (seq: number, _: string, line: Buffer) => {
    const chosen = choose(seq, line);
    done ||= chosen === 'enough';
    if (chosen !== 'taken') return;
    count += 1;
    out.add(line);
  };
  const { first, last, fault } = await readThrough(files, 'exporting', { onRecord }, around);
  if (out.failure) {
    if (out.failure.code === 'EPIPE') return EXIT.ok;
    throw out.failure;
  }
  if (fault)
    printError(`TAMPERED: record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}; nothing behind it was written`);
  printError(`${count} of the records ${first} to ${last} were written`);
  return fault ? EXIT.found : EXIT.ok;
}

type Chosen = 'taken' | 'passed' | 'enough';

/** @throws RecorderError "invalid_parameter" for an option that is no good */
function createChoice({ from, to, since, until, incident, type }: ExportOptions): (seq: number, line: Buffer) => Chosen {
  const begin = from === undefined ? 1 : wholeNumberGiven('--from', from);
  const end = to === undefined ? Number.MAX_SAFE_INTEGER : wholeNumberGiven('--to', to);
  const earliest = since === undefined ? '' : instantGiven('--since', since);
  const latest = until === undefined ? null : instantGiven('--until', until);
  const isAbout = incident === undefined ? () => true : createAbout(incident);
  return (seq, line) => {
    const head = headOf(line, seq);
    // Neither seqs nor instants go back.
    if (seq > end || (latest !== null && head.ts >= latest)) return 'enough';
    const about = isAbout(head, line);
    return about && seq >= begin && head.ts >= earliest && (type.length === 0 || type.includes(head.type)) ? 'taken' : 'passed';
  };
}

/** Whether a record is about an incident or, while the incident owned it, about a hold of it. Must be asked of all, in order. */
function createAbout(incident: string): (head: Head, line: Buffer) => boolean {
  if (!INCIDENT_ID.test(incident)) throw new RecorderError('invalid_parameter', `--incident ${incident}: is no id of an incident`);
  const holds = new Set<string>();
  let resolved = false;
  return ({ id, type }, line) => {
    if (id === incident) {
      for (const hold of holdsIn(readRecord(line.toString('utf8')))) holds.add(hold);
      resolved ||= type === 'incident.resolved';
      return true;
    }
    return id !== null && holds.has(id) && (!resolved || line.includes(`"incident_id":"${incident}"`));
  };
}

function headOf(line: Buffer, seq: number): Head {
  const text = line.toString('latin1', 0, HEAD_LENGTH);
  const [, ts = '', type = '', id = null] = /^[^,]*,[^,]*,"ts":"([^"]*)","type":"([^"]*)","id":(?:null|"([^"]*)")/.exec(text) ?? [];
  return { seq, ts, type, id };
}

interface Out {
  /** A line that is to be written; good until the next block is asked for. */
  add(line: Buffer): void;
  /** The blocks, each when what the one before gave to write has been taken; no more when that failed, or when it is `done`. */
  poured(blocks: Segment['blocks'], done: () => boolean): AsyncGenerator<Buffer>;
  readonly failure: NodeJS.ErrnoException | null;
}

function createOut(): Out {
  const { stdout } = process;
  let failure: NodeJS.ErrnoException | null = null;
  let pending: Buffer[] = [];
  stdout.on('error', (error) => (failure ??= error));

  async function pour(): Promise<void> {
    const bytes = Buffer.concat(pending);
    pending = [];
    // What fails is told to the listener above too.
    if (bytes.length > 0 && !stdout.write(bytes)) await once(stdout, 'drain').catch(() => {});
  }

  const isOver = (done: () => boolean) => failure !== null || done();

  return {
    add(line) {
      // A terminal does not obey what somebody wrote into a record; whatever else reads it gets the very bytes.
      pending.push(stdout.isTTY ? Buffer.from(escapeUnprintable(line.toString('utf8'))) : line, LF);
    },
    async *poured(blocks, done) {
      if (isOver(done)) return;
      for await (const block of blocks) {
        yield block;
        await pour();
        if (isOver(done)) return;
      }
    },
    get failure() {
      return failure;
    },
  };
}
