// Builds the native addon for this platform into prebuilds/<platform>-<arch>/. An addon built from the same sources by the
// same compiler and flags is taken from the cache; otherwise only what changed since the last build is compiled.
// --force compiles everything, --debug builds with symbols and without optimization (build/Debug).
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { argv, arch, env, execPath, exit, platform, stderr } from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { toolCache } from './node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = `${platform}-${arch}`;
const folder = join(root, 'prebuilds', target);
const addon = join(folder, 'quantscope.node');
const stamp = join(folder, 'sources.sha256');
const force = argv.includes('--force');
const configuration = argv.includes('--debug') ? 'Debug' : 'Release';
const require = createRequire(import.meta.url);

function sourceHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  for (const file of [...sources.sort(), join(root, 'binding.gyp')]) hash.update(readFileSync(file));
  hash.update(require('node-addon-api/package.json').version);
  return hash.digest('hex');
}

/** The compiler's description of itself: another compiler makes other code from the same sources. */
function compiler() {
  const program = env.CXX ?? (platform === 'win32' ? 'cl' : 'c++');
  const { stdout, stderr: errors } = spawnSync(program, platform === 'win32' ? [] : ['--version'], {
    encoding: 'utf8',
  });
  return [stdout, platform === 'win32' ? errors : '', env.CXXFLAGS].join('\n');
}

function loads(file) {
  try {
    require(file);
    return true;
  } catch {
    return false;
  }
}

/**
 * A Node installation that includes its headers. Node-API is the same in all of them, so any will do; without one, node-gyp finds
 * or downloads them.
 */
function headers() {
  const programs = (env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'node'));
  const prefixes = [env.npm_config_nodedir, ...[execPath, ...programs].map((file) => dirname(dirname(file)))];
  const found = prefixes.find(
    (prefix) => prefix && existsSync(join(prefix, 'include', 'node', 'node_api.h')),
  );
  return found ? ['--nodedir', found] : [];
}

/** Number of object files in a full build, from the makefiles that the configuration has written. */
function objectCount() {
  const build = join(root, 'build');
  const makefiles = existsSync(build) ? readdirSync(build).filter((name) => name.endsWith('.target.mk')) : [];
  const objects = makefiles.map(
    (name) => readFileSync(join(build, name), 'utf8').match(/native\/\S+\.o/g)?.length ?? 0,
  );
  return objects.reduce((sum, count) => sum + count, 0);
}

function nodeGyp(...args) {
  const program = require.resolve('node-gyp/bin/node-gyp.js');
  const flags = configuration === 'Debug' ? ['--debug'] : ['--release'];
  // The environment's flags come last on the compiler's command line.
  const unoptimized = configuration === 'Debug' ? { CXXFLAGS: '-O0 -g' } : {};
  return spawn(execPath, [program, ...args, ...flags, '--jobs', 'max', ...headers()], {
    cwd: root,
    env: { ...env, ...unoptimized },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs node-gyp and shows one line per compiled file; the rest of its output is shown only if it fails. */
function run(args, onCompiled) {
  const child = nodeGyp(...args);
  const lines = [];
  const read = (line) => {
    lines.push(line);
    const compiled = /^\s*(?:CXX\(target\) .*?\/(\w+)\/native\/(.*)\.o|(\w+\.cc))$/.exec(line);
    if (compiled) onCompiled?.(compiled[3] ?? `${compiled[2]} (${compiled[1]})`);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', read);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: 1, lines: [...lines, error.message] }));
    child.on('close', (status) => resolve({ status, lines }));
  });
}

async function build() {
  const isConfigured = existsSync(join(root, 'build', 'Makefile'));
  const configured = await run(['configure']);
  const total = force || !isConfigured ? objectCount() : 0;
  let done = 0;
  const started = Date.now();
  console.error(`Compiling the native addon for ${target}${total > 0 ? ` (${total} files)` : ''}…`);
  const built =
    configured.status === 0
      ? await run(force ? ['clean', 'configure', 'build'] : ['build'], (file) => {
          done += 1;
          const count = total > 0 ? `${done}/${total}` : `${done}`;
          if (stderr.isTTY || done % 10 === 0) console.error(`  [${count}] ${file}`);
        })
      : configured;
  if (built.status !== 0) fail(built.lines);
  console.error(`Compiled ${done} files in ${((Date.now() - started) / 1000).toFixed(0)} s.`);
}

function fail(lines) {
  console.error(lines.join('\n'));
  console.error(
    `Quantscope's native addon could not be built for ${target}. It needs a C++20 compiler ` +
      '(GCC 12, Clang 15, Visual Studio 2022), make and Python 3; then run: node scripts/native.mjs',
  );
  exit(1);
}

/** Copies through a temporary name, so that a running process keeps the addon that it has loaded. */
function install(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}`;
  copyFileSync(from, temporary);
  renameSync(temporary, to);
}

if (!existsSync(join(root, 'native'))) {
  if (!loads(addon)) console.error(`This package does not contain an addon for ${target}.`);
} else if (configuration === 'Debug') {
  await build();
  install(join(root, 'build', 'Debug', 'quantscope.node'), addon);
  writeFileSync(stamp, 'debug');
} else {
  const sources = sourceHash();
  const isCurrent = existsSync(stamp) && readFileSync(stamp, 'utf8') === sources && loads(addon);
  if (force || !isCurrent) {
    const key = createHash('sha256').update(sources).update(compiler()).digest('hex').slice(0, 32);
    const cached = join(toolCache, 'addons', `${target}-${key}.node`);
    if (!force && existsSync(cached)) install(cached, addon);
    if (force || !existsSync(cached) || !loads(addon)) {
      await build();
      install(join(root, 'build', 'Release', 'quantscope.node'), addon);
      install(addon, cached);
    }
    writeFileSync(stamp, sources);
  }
}
