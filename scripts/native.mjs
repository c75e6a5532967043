// Builds the native addon for this platform into prebuilds/<platform>-<arch>/, unless it is there and up to date.
// npm runs this at install.
import { spawnSync } from 'node:child_process';
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
import { dirname, join } from 'node:path';
import { argv, arch, env, execPath, exit, platform } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'prebuilds', `${platform}-${arch}`);
const addon = join(folder, 'quantscope.node');
const stamp = join(folder, 'sources.sha256');
const require = createRequire(import.meta.url);

function sourceHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  for (const file of [...sources.sort(), join(root, 'binding.gyp')]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

function loads() {
  try {
    require(addon);
    return true;
  } catch {
    return false;
  }
}

/** Node's headers where the installation brings them; otherwise node-gyp finds or fetches them. */
function headers() {
  if (env.npm_config_nodedir) return ['--nodedir', env.npm_config_nodedir];
  const prefix = dirname(dirname(execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? ['--nodedir', prefix] : [];
}

function build() {
  const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
  const { status } = spawnSync(execPath, [nodeGyp, 'rebuild', '--release', '--jobs', 'max', ...headers()], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error(
      `Quantscope's native addon could not be built for ${platform}-${arch}. It needs a C++20 compiler ` +
        '(GCC 12, Clang 15, Visual Studio 2022), make and Python 3; then run: node scripts/native.mjs',
    );
    exit(1);
  }
  mkdirSync(folder, { recursive: true });
  // Renamed into place: a running process keeps the one that it has loaded.
  copyFileSync(join(root, 'build', 'Release', 'quantscope.node'), `${addon}.new`);
  renameSync(`${addon}.new`, addon);
}

const force = argv.includes('--force');
const hasSources = existsSync(join(root, 'native'));
if (!hasSources) {
  if (!loads()) console.error(`This package has no addon for ${platform}-${arch}.`);
} else {
  const wanted = sourceHash();
  const built = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (force || built !== wanted || !loads()) {
    build();
    writeFileSync(stamp, wanted);
  }
}
