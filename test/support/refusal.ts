// Catching a refusal, so that a test can look at all of it.

import { RecorderError } from '../../src/errors.ts';

/** The refusal that `run` throws. What it throws beside refusals passes; what it takes is a failure of the test. */
export function refusalOf(run: () => unknown): RecorderError {
  try {
    run();
  } catch (error) {
    if (error instanceof RecorderError) return error;
    throw error;
  }
  throw new Error('it was taken, and should have been refused');
}
