// The whole house, wired. Read from top to bottom it is the picture in src/README.md, floor by floor.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createLimiter } from './access/rate.ts';
import type { Config } from './config.ts';
import { ask } from './delivery/ask.ts';
import { createDelivery } from './delivery/delivery.ts';
import { type Notices, createNotices } from './delivery/notices.ts';
import { createApp } from './http/app.ts';
import { createDoors } from './http/doors.ts';
import { createPace } from './http/pace.ts';
import { type Place, drain, hostsOf, isLocal, listen, urlOf } from './http/listening.ts';
import { createHttpServer } from './http/server.ts';
import type { Command } from './incident/command.ts';
import type { Log } from './log.ts';
import { createEvidence } from './observers/evidence.ts';
import { type HealthReport, createHealth } from './observers/health.ts';
import { actuatorsOfEnvironment } from './policy/environment.ts';
import type { Policy } from './policy/policy.ts';
import type { Secrets } from './policy/secrets.ts';
import { createBell } from './recorder/bell.ts';
import { OURSELVES } from './recorder/caller.ts';
import { createConfiguration, loadAtStart } from './recorder/configuration.ts';
import { createLedger } from './ledger/ledger.ts';
import { openLog } from './ledger/log-opening.ts';
import { openStoreAnyhow } from './ledger/store-opening.ts';
import { createDue } from './recorder/due.ts';
import { openingChange } from './recorder/opening.ts';
import { createQueue } from './recorder/queue.ts';
import { createRecorder } from './recorder/recorder.ts';
import { createRefusals } from './recorder/refusals.ts';
import { createRoom } from './recorder/room.ts';
import { tryStore, upkeep } from './recorder/upkeep.ts';
import { createLook } from './sandbox/seen.ts';
import { openReserve } from './store/reserve.ts';
import { SOFTWARE } from './version.ts';

export interface House {
  /** Where it listens. */
  readonly place: Place;
  /** How it is doing, as /health tells it. */
  health(): HealthReport;
  /** Reads policy and tokens again. @throws RecorderError "invalid_configuration"; then what was in force stays */
  reload(): Promise<void>;
  /** Stops accepting, answers what was accepted, records the end and closes everything. */
  close(reason: string): Promise<void>;
}

export interface HouseParts {
  config: Config;
  log: Log;
  now?: () => Date;
  /** Milliseconds that never go back. */
  monotonic?: () => number;
  /** An fsync failed: the process must end at once, and recover when it starts again. */
  onBroken: (error: unknown) => void;
}

const TICK_MS = 1_000;

/** @throws RecorderError "invalid_configuration", "storage_failed" or "storage_full"; then nothing is left open */
export async function openHouse({
  config,
  log,
  now = () => new Date(),
  monotonic = () => performance.now(),
  onBroken,
}: HouseParts): Promise<House> {
  await using opened = new AsyncDisposableStack();

  // What is judged by: refused whole when it is not good, before anything is opened.
  const actuators = actuatorsOfEnvironment(config);
  const paths = {
    ...{ policy: config.CONTAINMENT_POLICY_PATH, actuators },
    secrets: { dir: config.SECRETS_DIR, prefix: config.SECRETS_PREFIX },
    tokens: { tokens: config.TOKENS_PATH, service: config.SERVICE_TOKEN_PATH },
    open: config.CONNECT_PORTS,
  };
  const loaded = loadAtStart(paths);
  const { policy, tokens } = loaded;

  // What is kept.
  for (const file of [config.DATABASE_PATH, config.AUDIT_LOG_PATH, config.CHECKPOINT_KEY_PATH])
    mkdirSync(dirname(file), { recursive: true });
  const reserve = openReserve(`${config.DATABASE_PATH}.reserve`, config.STORE_RESERVE_BYTES);
  const store = openStoreAnyhow({ path: config.DATABASE_PATH, reserve, log, now });
  opened.defer(() => store.close());
  const kept = await openLog({
    ...{ path: config.AUDIT_LOG_PATH, keyPath: config.CHECKPOINT_KEY_PATH, origin: config.CHECKPOINT_ORIGIN, store, log, now },
    rotation: { bytes: config.AUDIT_ROTATE_BYTES, age_ms: config.AUDIT_ROTATE_AGE },
  });
  const { key, mirror } = kept;
  opened.defer(() => mirror.close());

  // What is done.
  let notices: Notices | null = null;
  const room = createRoom({ reserve, usedBytes: store.usedBytes(), maxBytes: config.STORE_MAX_BYTES, log });
  const bell = createBell();
  const onCommit = () => {
    mirror.follow();
    notices?.wake();
  };
  const queue = createQueue({ store, policy, now, monotonic, bell, room, onCommit, onBroken });
  const recorder = createRecorder({ queue, log });
  const refusals = createRefusals({ queue, log, monotonic });
  const opening = { ...kept, software: SOFTWARE, origin: key.name, verifierKey: key.verifierKey, policy, tokens };
  await queue.submit(openingChange(opening, log));
  if (room.isTight) await tryStore(queue, room);

  // Who is told, and followed until it is known to have worked.
  const delivery = createDelivery({ store, recorder, bell, head: () => store.records.head().seq, log, now, monotonic });
  const followers = opened.use(new AsyncDisposableStack());
  followers.defer(async () => delivery.close());
  const onAdopted = (adopted: Policy, secrets: Secrets) => {
    delivery.adopt(adopted, secrets);
    notices?.adopt();
  };
  const configuration = createConfiguration({ paths, loaded, recorder, onAdopted });
  const triedOf = ({ id }: Command) => {
    const sent = delivery.view(id);
    return sent && { attempts: sent.attempts, error: sent.last_error };
  };
  const due = createDue({ queue, store, bell, triedOf, log, now });
  followers.defer(() => due.close());
  notices = createNotices({
    ...{ store, ask, log, now, monotonic, webhooks: () => queue.policy.webhooks, keysOf: (file) => configuration.secrets.keys(file) },
    ...{ cursorOf: store.meta.cursor, keepCursor: recorder.keepCursor },
  });
  const followed = notices;
  followers.defer(async () => followed.close());
  onAdopted(policy, loaded.secrets);
  bell.ring('policy');

  // What follows what is done.
  const ledger = createLedger({
    ...{ path: config.AUDIT_LOG_PATH, store, mirror, recorder, key, tree: () => queue.tree, log, now, monotonic },
    interval_ms: config.CHECKPOINT_INTERVAL,
    witness: config.WITNESS_URL === null ? null : { url: config.WITNESS_URL, key: config.WITNESS_KEY },
  });
  opened.defer(async () => ledger.close());
  const chores = { queue, room, ledger, refusals, due, log };
  // The first checkpoint covers the start itself.
  await upkeep(chores);
  const tick = setInterval(() => void upkeep(chores), TICK_MS);
  opened.defer(() => clearInterval(tick));

  // The door.
  let draining = false;
  let place: Place = config.BIND_ADDR;
  const isDraining = () => draining;
  const pace = createPace(createLimiter(monotonic), refusals);
  const health = createHealth({ store, queue, ledger, delivery, notices, isDraining });
  const doors = createDoors({
    ...{ store, queue, recorder, delivery, ledger, configuration, refusals, bell, pace, actuators, config, health, log },
    evidence: createEvidence({ store, checkpoints: ledger.checkpoints, key }),
    look: createLook({ connect: config.CONNECT_PORTS, writes: [config.AUDIT_LOG_PATH, config.DATABASE_PATH] }),
  });
  const app = createApp({
    ...{ log, pace, refusals, routes: doors.routes, keyring: () => configuration.keyring },
    readsClosed: () => config.REQUIRE_READ_TOKEN || !isLocal(place),
  });
  let hosts: ReadonlySet<string> = new Set();
  const server = createHttpServer({ app, hosts: () => hosts, isDraining });
  place = await listen(server, config);
  hosts = hostsOf(config, place);
  log.info('listening', { address: urlOf(place), policy: policy.from, policy_sha256: policy.sha256, key: key.verifierKey });

  const rooms = opened.move();
  return {
    place,
    health: health.report,
    reload: async () => void (await configuration.reload(OURSELVES, null)),
    async close(reason) {
      draining = true;
      log.info('draining', { reason });
      doors.letGo();
      await drain(server);
      refusals.settle(true);
      await followers.disposeAsync();
      try {
        await recorder.tell('service.stopped', { reason });
        await ledger.settleLast();
      } catch (error) {
        // A disk that takes nothing more must not keep the service from ending; the next start sees to the rest.
        log.error('the end could not be recorded', { error: String(error) });
      }
      await rooms.disposeAsync();
      log.info('stopped', { reason });
    },
  };
}
