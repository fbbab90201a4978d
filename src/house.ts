// The whole house, wired. Read from top to bottom it is the picture in src/README.md, floor by floor.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { createLimiter } from './access/rate.ts';
import { type Config, isLoopback } from './config.ts';
import { createApp } from './http/app.ts';
import { createPace } from './http/pace.ts';
import { auditRoutes } from './http/routes/audit.ts';
import { evidenceRoutes } from './http/routes/evidence.ts';
import { healthRoutes } from './http/routes/health.ts';
import { incidentRoutes } from './http/routes/incidents.ts';
import { problemRoutes } from './http/routes/problems.ts';
import { reloadRoutes } from './http/routes/reload.ts';
import { reportRoutes } from './http/routes/reports.ts';
import { statsRoutes } from './http/routes/stats.ts';
import { stepRoutes } from './http/routes/steps.ts';
import { type HttpServer, createHttpServer } from './http/server.ts';
import type { Log } from './log.ts';
import { createEvidence } from './observers/evidence.ts';
import { createHealth } from './observers/health.ts';
import { OURSELVES } from './recorder/caller.ts';
import { createConfiguration, loadAtStart } from './recorder/configuration.ts';
import { createLedger } from './ledger/ledger.ts';
import { openLog } from './ledger/log-opening.ts';
import { openStoreAnyhow } from './ledger/store-opening.ts';
import { openingChange } from './recorder/opening.ts';
import { createQueue } from './recorder/queue.ts';
import { createRecorder } from './recorder/recorder.ts';
import { createRefusals } from './recorder/refusals.ts';
import { createRoom } from './recorder/room.ts';
import { tryStore, upkeep } from './recorder/upkeep.ts';
import { openReserve } from './store/reserve.ts';
import { SOFTWARE } from './version.ts';

export interface House {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
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

/** How long accepted requests have to be finished; systemd's patience is longer. */
const DRAIN_MS = 8_000;
/** How long a connection may then go on without a whole request: whoever only holds one must not hold up the end. */
const SILENT_MS = 1_000;
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
  const paths = { policy: config.CONTAINMENT_POLICY_PATH, tokens: { tokens: config.TOKENS_PATH, service: config.SERVICE_TOKEN_PATH } };
  const { policy, tokens } = loadAtStart(paths);
  if (policy.webhooks.length > 0)
    log.warning('alerting.webhooks is checked, but this version delivers nothing to them', { webhooks: policy.webhooks.length });

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
  const room = createRoom({ reserve, usedBytes: store.usedBytes(), maxBytes: config.STORE_MAX_BYTES, log });
  const queue = createQueue({ store, policy, now, room, onCommit: mirror.follow, onBroken });
  const recorder = createRecorder({ queue, log });
  const configuration = createConfiguration({ paths, tokens, recorder });
  const refusals = createRefusals({ queue, log, monotonic });
  const opening = { ...kept, software: SOFTWARE, origin: key.name, verifierKey: key.verifierKey, policy, tokens };
  await queue.submit(openingChange(opening, log));
  if (room.isTight) await tryStore(queue, room);

  // What follows what is done.
  const ledger = createLedger({
    ...{ path: config.AUDIT_LOG_PATH, store, mirror, recorder, key, tree: () => queue.tree, log, now, monotonic },
    interval_ms: config.CHECKPOINT_INTERVAL,
    witness: config.WITNESS_URL === null ? null : { url: config.WITNESS_URL, key: config.WITNESS_KEY },
  });
  opened.defer(async () => ledger.close());
  const chores = { queue, room, ledger, refusals, log };
  // The first checkpoint covers the start itself.
  await upkeep(chores);
  const tick = setInterval(() => void upkeep(chores), TICK_MS);
  opened.defer(() => clearInterval(tick));

  // The door.
  let draining = false;
  let hosts: ReadonlySet<string> = new Set();
  const isDraining = () => draining;
  const inForce = () => queue.policy;
  const pace = createPace(createLimiter(monotonic), refusals);
  const app = createApp({
    log,
    pace,
    refusals,
    keyring: () => configuration.keyring,
    readsClosed: config.REQUIRE_READ_TOKEN || !isLoopback(config.BIND_ADDR.host),
    routes: [
      ...healthRoutes({ health: createHealth({ store, queue, ledger, isDraining }) }),
      ...incidentRoutes({ store }),
      ...evidenceRoutes({ store, evidence: createEvidence({ store, checkpoints: ledger.checkpoints, key }), log }),
      ...statsRoutes({ store }),
      ...reportRoutes({ recorder, pace, refusals, policy: inForce }),
      ...stepRoutes({ recorder }),
      ...auditRoutes({ store, checkpoints: ledger.checkpoints, tree: () => queue.tree }),
      ...reloadRoutes({ configuration, policy: inForce }),
      ...problemRoutes(),
    ],
  });
  const server = createHttpServer({ app, hosts: () => hosts, isDraining });
  const { host, port } = await listen(server, config);
  hosts = hostsOf(config, port);
  log.info('listening', { address: `http://${host}:${port}`, policy: policy.from, policy_sha256: policy.sha256, key: key.verifierKey });

  const rooms = opened.move();
  return {
    host,
    port,
    reload: async () => void (await configuration.reload(OURSELVES, null)),
    async close(reason) {
      draining = true;
      log.info('draining', { reason });
      await drain(server);
      refusals.settle(true);
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

async function listen(server: Server, { BIND_ADDR: { host, port } }: Config): Promise<{ host: string; port: number }> {
  server.listen({ host: host.replaceAll(/^\[|\]$/g, ''), port });
  await once(server, 'listening');
  return { host, port: (server.address() as AddressInfo).port };
}

/** Names under which a browser or a client may call us: with our port, and without. */
function hostsOf({ BIND_ADDR: { host }, ALLOWED_HOSTS }: Config, port: number): ReadonlySet<string> {
  const names = [host.toLowerCase(), '127.0.0.1', 'localhost', '[::1]', ...ALLOWED_HOSTS];
  return new Set(names.flatMap((name) => [name, `${name}:${port}`]));
}

/** Lets what was accepted be answered, closes each connection as it falls idle, and cuts off what is not done in time. */
async function drain(server: HttpServer): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const silent = setTimeout(() => server.closeUnasked(), SILENT_MS);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(silent);
  clearTimeout(cut);
}
