// A folder of its own for one test, gone when the test ends.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Folder extends Disposable {
  readonly path: string;
  /** Writes a file (0600 unless another mode is given) and returns its path. */
  file(name: string, content: string | Uint8Array, mode?: number): string;
}

/** `using folder = openFolder()` */
export function openFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'recorder-'));
  return {
    path,
    file(name, content, mode = 0o600) {
      const file = join(path, name);
      writeFileSync(file, content);
      chmodSync(file, mode);
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
