// The containment loop: how soon a report is a command, what one actuator that hangs costs the others, and what many holds cost.

import { startBare, startField } from './field.ts';
import type { Findings } from './findings.ts';
import type { Generator } from './generator.ts';
import { measureHanging } from './hanging.ts';
import { measureHolds } from './holds.ts';
import { measureOwners } from './owners.ts';
import { measureWire } from './wire.ts';

type Part = (scope: AsyncDisposableStack, generator: Generator, quick: boolean) => Promise<Findings>;

/** By the names that they are asked for by. */
export const CONTAINMENT = {
  wire: async (scope, _, quick) => measureWire(scope, scope.use(startField()), scope.use(startBare()), quick),
  hanging: async (scope, generator, quick) => measureHanging(scope, generator, scope.use(startField()), quick),
  holds: async (scope, generator, quick) => measureHolds(scope, generator, scope.use(startField()), scope.use(startBare()), quick),
  owners: async (scope, generator) => measureOwners(scope, generator, scope.use(startField())),
} satisfies Record<string, Part>;
