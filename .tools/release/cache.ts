// V8's compile cache, shipped so that a start need not compile: made by the programs themselves, in the release's own layout.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// What it depends on: the Node and its V8, the text of each file, where it lies as seen from the cache (so lib/ and cache/ stay beside each
// other), and those of V8's flags that change code, as --jitless does and a heap's size does not. Neither on the processor nor on the user.

/** @param flags those that the service is started with; the operator's command has a JIT */
export async function makeCache(top: string, flags: readonly string[]): Promise<void> {
  const node = join(top, 'bin/node');
  const lib = join(top, 'lib');
  const cache = join(top, 'cache');
  const folder = mkdtempSync(join(tmpdir(), 'incident-recorder-cache-'));
  const env = { NODE_COMPILE_CACHE: cache, NODE_COMPILE_CACHE_PORTABLE: '1', ...environmentOf(top, folder) };
  const compile = (script: string, ...options: string[]) => {
    const enable = `require('node:module').enableCompileCache({ directory: ${JSON.stringify(cache)}, portable: true });`;
    execFileSync(node, [...options, '--eval', `${enable}\n${script}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  try {
    mkdirSync(cache);
    await serveOnce(node, [...flags, join(lib, 'main.js')], env);
    execFileSync(node, [join(lib, 'cli.js'), 'audit', 'verify', env.AUDIT_LOG_PATH], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    const commands = readdirSync(join(lib, 'cli')).map((file) => `import(${JSON.stringify(join(lib, 'cli', file))});`);
    compile(commands.join('\n'));
    if (existsSync(join(lib, 'launch.js'))) compile(loadOnly(join(lib, 'launch.js')), ...flags);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function environmentOf(top: string, folder: string) {
  const token = join(folder, 'service-token');
  writeFileSync(token, '0'.repeat(64), { mode: 0o600 });
  return {
    PATH: process.env['PATH'],
    BIND_ADDR: '127.0.0.1:0',
    CONTAINMENT_POLICY_PATH: join(top, 'policy/incident-containment.yaml'),
    AUDIT_LOG_PATH: join(folder, 'audit.jsonl'),
    SERVICE_TOKEN_PATH: token,
    STORE_RESERVE_BYTES: '0',
  };
}

/** Of a run that has only started, so that a start finds what it needs and reads nothing else. */
async function serveOnce(node: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const service = spawn(node, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(service, 'exit') as Promise<[number | null]>;
  let told = '';
  for await (const chunk of service.stdout) {
    told += String(chunk);
    const address = /"message":"listening".*?"address":"([^"]+)"/.exec(told)?.[1];
    if (address !== undefined) break;
  }
  service.kill('SIGTERM');
  const [code] = await ended;
  if (code !== 0) throw new Error(`the service did not run while its compile cache was made (${code}): ${told}`);
}

/** Has a module compiled and not run: it is loaded whole before it turns out that it exports no such thing, or needs a flag that is not given. */
function loadOnly(path: string): string {
  const text = `import { nothing } from ${JSON.stringify(pathToFileURL(path).href)};`;
  return `import(${JSON.stringify(`data:text/javascript,${text}`)}).then(() => process.exit(1), () => process.exit(0));`;
}
