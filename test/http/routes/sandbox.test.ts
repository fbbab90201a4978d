// What the service says of its own cage: always for who has a token, and in this process, which is in none, that it is in none.

import { describe, expect, it } from 'vitest';
import { sandboxRoutes } from '../../../src/http/routes/sandbox.ts';
import { SOFTWARE } from '../../../src/version.ts';
import { openDoors } from '../../support/doors.ts';
import { openTestHouse } from '../../support/house.ts';
import { ROLE_TOKENS, SECURITY_HEADERS, faultOfProblem } from '../../support/routes.ts';

const PATH = '/api/v1/sandbox';

describe('the cage', () => {
  it('is told layer by layer, with the Node and the version that run in it', async () => {
    const layers = [{ layer: 'landlock_files', in_force: null, seen: '/ cannot be looked at: EIO' }] as const;
    await using doors = await openDoors(() => sandboxRoutes({ look: async () => layers }));
    const answer = await doors.get(PATH).expect(200);
    expect(answer.body).toEqual({ software: SOFTWARE, node: process.versions.node, layers });
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
    await doors.get(PATH, ROLE_TOKENS.reader.token).expect(200);
  });

  it('is told to nobody without a token, on loopback neither, and to no reporter or actuator', async () => {
    await using doors = await openDoors(() => sandboxRoutes({ look: async () => [] }));
    const refused = await doors.get(PATH, null).expect(401);
    expect(faultOfProblem(refused)).toBeNull();
    await doors.get(PATH, ROLE_TOKENS.reporter.token).expect(403);
    await doors.get(PATH, ROLE_TOKENS.actuator.token).expect(403);
    expect((await doors.get(`${PATH}?layer=home`).expect(400)).body).toMatchObject({ code: 'invalid_parameter' });
  });

  it('of a service that nobody has put into one is not in force, as far as it can tell', async () => {
    await using house = await openTestHouse();
    const { body } = await house.get(PATH).expect(200);
    const byName = Object.fromEntries(body.layers.map(({ layer, ...sight }: { layer: string }) => [layer, sight]));
    expect(byName).toMatchObject({
      landlock_files: { in_force: false, seen: '/ can be opened' },
      landlock_ports: { in_force: false, seen: 'connecting to port 1 of loopback: ECONNREFUSED' },
      seccomp_profile: { in_force: false, seen: 'symlink of nothing to nowhere: ENOENT' },
      jitless: { in_force: false },
      network: { in_force: null },
    });
    expect(Object.keys(byName)).toHaveLength(17);
  });
});
