// What text from outside may hold, and how near a wrong word is to a known one.

/** C0, DEL, C1, bidirectional marks and overrides, invisible joiners, Unicode line ends: what can forge a line on a terminal. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

/** Text that can be kept at all: no NUL and no lone surrogate (which no UTF-8 file can hold). */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** The known word within two edits of `word`, nearest first; undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const sought = word.slice(0, 64).toLowerCase();
  let best: string | undefined;
  let least = Math.min(3, Math.ceil(sought.length / 2) + 1);
  for (const candidate of known) {
    const distance = editDistance(sought, candidate.toLowerCase(), least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** `; did you mean "x"?` or nothing: the tail of an error about an unknown word. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearest(word, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** Levenshtein distance, or `limit` when it is at least that. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? limit) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? limit) + 1, (next[j - 1] ?? limit) + 1));
    }
    row = next;
  }
  return Math.min(row[b.length] ?? limit, limit);
}
