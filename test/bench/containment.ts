// The containment loop: how soon a report is a command, what one actuator that hangs costs the others, and what many holds cost.

import { startBare, startField } from './field.ts';
import type { Findings } from './findings.ts';
import type { Generator } from './generator.ts';
import { measureHanging } from './hanging.ts';
import { measureHolds } from './holds.ts';
import { measureOwners } from './owners.ts';
import { measureWire } from './wire.ts';

export async function measureContainment(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const field = scope.use(startField());
  const bare = scope.use(startBare());
  const only = process.env['ONLY']?.split(',') ?? ['wire', 'hanging', 'holds', 'owners'];
  const parts: Record<string, (own: AsyncDisposableStack) => Promise<Findings>> = {
    wire: async (own) => measureWire(own, field, bare, quick),
    hanging: async (own) => measureHanging(own, generator, field, quick),
    holds: async (own) => measureHolds(own, generator, field, bare, quick),
    owners: async (own) => measureOwners(own, generator, field, quick),
  };
  const found: Findings[] = [];
  for (const name of only) {
    await using own = new AsyncDisposableStack();
    scope.defer(async () => own.disposeAsync());
    found.push(await (parts[name] as NonNullable<(typeof parts)[string]>)(own));
  }
  return {
    text: found.map(({ text }) => text).join('\n\n'),
    aims: found.flatMap(({ aims }) => aims),
    errors: found.flatMap(({ errors }) => errors),
  };
}
