// GET /api/v1/actuators/{name}/commands: the commands that are open for an actuator, fetched by itself, with a wait for the next.

import type { Delivery } from '../../delivery/delivery.ts';
import type { Command } from '../../incident/command.ts';
import type { Policy } from '../../policy/policy.ts';
import type { Refusals } from '../../recorder/refusals.ts';
import type { Store } from '../../store/store.ts';
import { ACTUATOR } from '../acting.ts';
import type { KnownCall, Route } from '../guard.ts';
import { MAX_WAIT_S } from '../headers.ts';
import { parametersOf, wholeNumber } from '../query.ts';
import { type Reply, json } from '../reply.ts';
import type { WaitingRoom } from '../waiting.ts';
import { actingFor } from './actuators.ts';

export interface FetchingParts {
  store: { readonly commands: Pick<Store['commands'], 'open' | 'heldBack'> };
  policy: () => Policy;
  refusals: Pick<Refusals, 'denied'>;
  waiting: WaitingRoom;
  delivery: Pick<Delivery, 'view' | 'told'>;
}

/** Commands in one answer. */
const MAX_COMMANDS = 100;

export function fetchingRoutes({ store, policy, refusals, waiting, delivery }: FetchingParts): Route[] {
  async function fetchCommands(call: KnownCall): Promise<Reply> {
    const parameters = parametersOf(call.url, ['after', 'wait']);
    const after = wholeNumber(parameters, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const seconds = wholeNumber(parameters, 'wait', 0, MAX_WAIT_S) ?? 0;
    const name = actingFor(call, { policy, refusals });
    let found: readonly Command[] = [];
    await waiting.until({
      ...{ who: name, topic: `actuator ${name}`, ms: seconds * 1000, outgoing: call.outgoing },
      look() {
        found = store.commands.open(name, after, MAX_COMMANDS);
        return found.length > 0 || Infinity;
      },
    });
    const commands = found.map((command) => delivery.told(command, (delivery.view(command.id)?.attempts ?? command.attempts) + 1));
    // What must not be done yet is open later, and must not be behind where the client goes on.
    const held = store.commands.heldBack(name, after);
    return json({ commands, after: Math.min(found.at(-1)?.seq ?? after, (held ?? Infinity) - 1) });
  }

  return [{ method: 'GET', path: `/api/v1/actuators/${ACTUATOR}/commands`, for: 'actuate', handle: fetchCommands }];
}
