// How long a service asks us to wait: the header Retry-After (RFC 9110 §10.2.3), within bounds.

const LONGEST_MS = 3_600_000;

/**
 * Milliseconds from 0 to an hour; null when there is no such header, or it says nothing that is known. A date is held against that of
 * the answer, where there is one: the clocks of two hosts need not agree.
 */
export function retryAfterOf(header: string | undefined, date: string | undefined, now: () => number = Date.now): number | null {
  if (header === undefined) return null;
  if (/^\d{1,15}$/.test(header)) return Math.min(LONGEST_MS, Number(header) * 1000);
  const until = instantOf(header);
  if (until === null) return null;
  return Math.min(LONGEST_MS, Math.max(0, until - ((date === undefined ? null : instantOf(date)) ?? now())));
}

/** An HTTP date in the one form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT`. */
function instantOf(text: string): number | null {
  if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
