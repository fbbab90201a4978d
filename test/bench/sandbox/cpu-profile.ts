// A profile as V8 writes it (.cpuprofile), read within a window of time: who had the time himself, and in which files.

import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] }[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface Part {
  readonly name: string;
  /** Of all the time that it was not idle. Native code (SQLite, hashes, JSON) counts as whoever calls it. */
  readonly share: number;
}

export interface Parts {
  readonly functions: readonly Part[];
  readonly files: readonly Part[];
  readonly rooms: readonly Part[];
}

/** @param window microseconds of the monotonic clock  @param root the folder that the names of files are relative to */
export function partsOf(profile: CpuProfile, window: readonly [number, number], root: string): Parts {
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  /** Whose native code it is: the nearest caller that is a file. */
  const callerOf = (id: number): Frame | null => {
    for (let at = parents.get(id); at !== undefined; at = parents.get(at)) {
      const frame = frames.get(at);
      if (frame?.url) return frame;
    }
    return null;
  };

  const [functions, files, rooms] = [new Tally(), new Tally(), new Tally()];
  let at = profile.startTime;
  for (const [i, id] of profile.samples.entries()) {
    const took = profile.timeDeltas[i] ?? 0;
    at += took;
    const frame = frames.get(id);
    if (at < window[0] || at > window[1] || !frame || frame.functionName === '(idle)') continue;
    const owner = frame.url ? frame : callerOf(id);
    const file = fileOf(owner?.url || frame.functionName, root);
    const line = frame.url ? `:${frame.lineNumber + 1}` : '';
    functions.add(owner ? `${frame.functionName || '(anonymous)'} ${file}${line}` : file, took);
    files.add(file, took);
    rooms.add(roomOf(file), took);
  }
  return { functions: functions.parts(), files: files.parts(), rooms: rooms.parts() };
}

class Tally {
  readonly #times = new Map<string, number>();

  add(name: string, took: number): void {
    this.#times.set(name, (this.#times.get(name) ?? 0) + took);
  }

  /** Largest first. */
  parts(): Part[] {
    const all = this.#times.values().reduce((sum, took) => sum + took, 0);
    return [...this.#times].map(([name, took]) => ({ name, share: took / all })).toSorted((a, b) => b.share - a.share);
  }
}

function fileOf(url: string, root: string): string {
  return url.startsWith('file:') ? relative(root, fileURLToPath(url)).split(sep).join('/') : url;
}

/** The folder of ours, the package, or `node` itself. */
function roomOf(file: string): string {
  const [, packaged] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
  if (packaged) return packaged;
  if (file.startsWith('node:')) return 'node';
  const [, folder] = /^dist\/([^/]+)\//.exec(file) ?? [];
  return folder ? `${folder}/` : file;
}
