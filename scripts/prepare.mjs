// What every script needs before it can run: a Node that is new enough, dependencies, addon, bundles. Uses nothing but Node, so that it
// works on a fresh clone.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execPath, exit, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { ensureNode } from './node.mjs';

ensureNode();

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

function run(command, args) {
  const shell = platform === 'win32'; // npm is a .cmd there
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', process.stderr, 'inherit'],
    shell,
  });
  if (status !== 0) {
    console.error(`Failed: ${command} ${args.join(' ')}`);
    exit(1);
  }
}

const packagesIn = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8')).packages;

/** Whether the installed packages are those of package-lock.json. Its time says nothing: a change of branches rewrites it. */
function areInstalled() {
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false;
  const installed = packagesIn('node_modules', '.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(
    ([path, { version, optional = false }]) =>
      path === '' || (installed[path] ? installed[path].version === version : optional),
  );
}

/** Installs the packages of package-lock.json, unless they are installed. */
export function ensureDependencies() {
  if (areInstalled()) return;
  console.error('Installing dependencies…');
  run('npm', ['ci', '--no-audit', '--no-fund']);
}

/** Builds the addon, unless it is up to date. False if it is `optional` and cannot be built. */
export function ensureAddon({ optional = false } = {}) {
  if (!optional) run(execPath, [join('scripts', 'native.mjs')]);
  else
    return spawnSync(execPath, [join('scripts', 'native.mjs')], { cwd: root, stdio: 'inherit' }).status === 0;
  return true;
}

/** Builds the bundles, unless they are newer than all sources. */
export function ensureBundles() {
  const bundles = [
    'extension.cjs',
    'names.cjs',
    'planPlaces.cjs',
    'tools.cjs',
    'engine.mjs',
    'cli.mjs',
    'command.mjs',
    'webview.js',
  ].map((name) => join(root, 'dist', name));
  const oldest = Math.min(...bundles.map((file) => (existsSync(file) ? statSync(file).mtimeMs : 0)));
  const sources = ['src', 'webview'].flatMap((folder) => filesUnder(join(root, folder)));
  const newest = Math.max(...[...sources, join(root, 'esbuild.mjs')].map((file) => statSync(file).mtimeMs));
  if (oldest > newest) return;
  run(execPath, ['esbuild.mjs']);
}

function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
