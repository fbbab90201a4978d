// What an HTTP status says of what was sent. Pure.

/** Of the answers that say that it is our fault, those that say so of the moment. */
const NOT_NOW = new Set([408, 425, 429]);

/** It was taken. */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** It will not be taken, however often it is sent. */
export function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && !NOT_NOW.has(status);
}
