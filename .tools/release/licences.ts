// The licences of all that the release carries of others, in one text.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** @throws Error when a package has no file with its licence */
export function licencesOf(root: string, packages: readonly string[]): string {
  return packages
    .map((name) => {
      const folder = join(root, 'node_modules', name);
      const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
      const file = readdirSync(folder).find((each) => /^licen[cs]e(\.\w+)?$/i.test(each));
      if (file === undefined) throw new Error(`${name} has no file with its licence`);
      return `${'='.repeat(100)}\n${name} ${version}\n${'='.repeat(100)}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    })
    .join('\n');
}
