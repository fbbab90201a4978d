// An instant as somebody writes it: an ISO 8601 date, or a date and time with its offset.

/** What is wanted, for whoever gave something else. */
export const INSTANT = 'must be an ISO 8601 date or instant with its offset, such as 2026-03-13T08:15:30Z';

/** A date is its first moment in UTC. Null for what is none. */
export function parseInstant(text: string): Date | null {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return null;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) || !isDay(text.slice(0, 10)) ? null : at;
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(date: string): boolean {
  return new Date(date).toISOString().startsWith(date);
}
