// Scripts of this project run on Node 22 or newer. If the system's Node is older, they install a newer one from npm into
// the tool cache and restart with it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { argv, env, exit, platform, versions } from 'node:process';

const oldest = 22;

/** Tools that are installed once and shared by all clones. */
export const toolCache = env.QUANTSCOPE_CACHE ?? join(homedir(), '.cache', 'quantscope');

/** The executable of this major version of Node in the tool cache, installed if it is missing. */
export function installedNode(major) {
  const home = join(toolCache, `node-${major}`);
  const program = join(home, 'node_modules', '.bin', platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(program)) return program;
  console.error(`Installing Node ${major} into ${home}`);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false'];
  const { status } = spawnSync('npm', ['install', ...flags, `node@${major}`], {
    cwd: home,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: platform === 'win32',
  });
  if (status === 0 && existsSync(program)) return program;
  console.error(`Node ${major} could not be installed. Install Node ${oldest} or newer yourself.`);
  exit(1);
}

/** If this Node is too old, runs this script on a newer one instead and never returns. */
export function ensureNode() {
  if (Number(versions.node.split('.')[0]) >= oldest) return;
  const program = installedNode(24);
  const { status } = spawnSync(program, argv.slice(1), {
    stdio: 'inherit',
    env: { ...env, PATH: [dirname(program), env.PATH].join(delimiter) },
  });
  exit(status ?? 1);
}
