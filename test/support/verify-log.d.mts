interface Found {
  /** Seq of the last good one. */
  records: number;
  fault: string | null;
  offset: number;
  torn: boolean;
  last: string;
  /** Of the records that are there. */
  leaves: string[];
  pruned: { to: number; hashes: string[]; by: number } | null;
}
/** What it found in one file, or in several, oldest first. `offset` is that of the first bad line. */
export function verifyLog(paths: string | readonly string[]): Found;
/** What is wrong with it by a checkpoint that somebody held, or null. */
export function faultByCheckpoint(log: Found, note: string, key: string): string | null;
