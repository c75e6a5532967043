// Installs once what the tests need besides the project's packages: Chromium, Node 24, the VS Code server that runs on it,
// and llama.cpp. Everything goes into a cache outside the repository and is reused by the next run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { argv, env, exit, getuid, platform } from 'node:process';
import { installedNode, toolCache as cache } from './node.mjs';

/** The folder of llama.cpp's shared libraries. */
export const llamaCppLibraries = join(
  cache,
  'llama-cpp-3.22.1',
  'node_modules',
  '@node-llama-cpp',
  'linux-x64',
  'bins',
  'linux-x64',
);

/**
 * Packages from npm, each in a folder of its own. `proof` lists files that only a complete installation has: the first
 * and the last ones that it writes. `allowScripts` names the packages that newer npm versions allow to run install scripts; `hint` says what the
 * installation needs.
 */
const vsCodeServer = {
  folder: 'vscode-server-4.139.1',
  packages: ['code-server@4.139.1'],
  allowScripts: { 'code-server': true },
  needsNode24: true,
  time: 'a few minutes: it compiles modules',
  hint: `It compiles modules with a C++ compiler, Python 3 and the headers of Node, which node-gyp downloads from nodejs.org.
Where it cannot, name a Node installation that has include/node: npm config set nodedir /usr`,
  proof: [
    'node_modules/code-server/lib/vscode/out/server-main.js',
    'node_modules/code-server/lib/vscode/node_modules/kerberos/build/Release/kerberos.node',
    'node_modules/code-server/lib/vscode/extensions/node_modules/typescript/package.json',
  ],
};
const llamaCpp = {
  folder: 'llama-cpp-3.22.1',
  packages: ['node-llama-cpp@3.22.1', '@node-llama-cpp/linux-x64@3.22.1'],
  allowScripts: { 'node-llama-cpp': false },
  flags: ['--omit=optional', '--ignore-scripts'],
  platform: 'linux-x64',
  proof: ['node_modules/node-llama-cpp/dist/index.js', 'node_modules/@node-llama-cpp/linux-x64/bins'],
};
/** llama.cpp with its library for images, which the other package lacks; one file, whose functions tests call directly. */
const llamaVision = {
  folder: 'llama-vision-1.7.15',
  packages: ['@fugood/node-llama-linux-x64@1.7.15'],
  allowScripts: {},
  flags: ['--ignore-scripts'],
  platform: 'linux-x64',
  proof: ['node_modules/@fugood/node-llama-linux-x64/index.node'],
};

/**
 * Makes sure that the tests' tools are there; does nothing when they are.
 * @throws Error saying what is missing and how to install it.
 */
export async function ensureTestTools() {
  ensureSystemPackages([...(existsSync(chromiumPath()) ? [] : ['chromium']), ...serverPackages()]);
  ensureNativeTools();
  installedNode(24); // the VS Code server runs on it
  ensureTool(vsCodeServer);
  ensureTool(llamaCpp);
  ensureTool(llamaVision);
}

/**
 * The VS Code server and the Node that runs it, but nothing that only tests need.
 * @throws Error saying what is missing and how to install it.
 */
export async function ensureVsCodeServer() {
  ensureSystemPackages(serverPackages());
  ensureTool(vsCodeServer);
}

/** Only the build inside the VS Code server needs Kerberos' headers. */
function serverPackages() {
  return isInstalled(vsCodeServer) || hasKerberosHeaders() ? [] : ['libkrb5-dev'];
}

/** @param missing packages of Debian. */
function ensureSystemPackages(missing) {
  if (platform !== 'linux' || missing.length === 0) return;
  const error = aptInstall(missing);
  if (error) throw new Error(`Missing: ${missing.join(' and ')}. ${error}`);
}

/** Compilers and the emulator for the checks of the kernels; a check whose tool is missing is skipped with a message. */
function ensureNativeTools() {
  if (platform !== 'linux') return;
  const missing = Object.entries({
    'clang++': ['clang', 'libclang-rt-14-dev'],
    ...(process.arch === 'arm64'
      ? {}
      : { 'aarch64-linux-gnu-g++': ['g++-aarch64-linux-gnu'], 'qemu-aarch64': ['qemu-user'] }),
  }).flatMap(([program, packages]) => (hasProgram(program) ? [] : packages));
  if (missing.length === 0) return;
  const error = aptInstall(missing);
  if (error) console.log(`Some checks of the kernels will be skipped. ${error}`);
}

function hasProgram(name) {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What went wrong, with the command to run manually; undefined once the packages are installed. */
function aptInstall(packages) {
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  const manual = `Install it yourself, as root: apt-get ${install.join(' ')}`;
  if (getuid?.() !== 0 || !hasProgram('apt-get')) return `Only root with apt-get could install it. ${manual}`;
  console.log(`Installing ${packages.join(' and ')} with apt-get`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  spawnSync('apt-get', ['update'], options);
  return spawnSync('apt-get', install, options).status === 0 ? undefined : `apt-get failed. ${manual}`;
}

function chromiumPath() {
  return env.QUANTSCOPE_CHROMIUM ?? '/usr/bin/chromium';
}

function hasKerberosHeaders() {
  return existsSync('/usr/include/gssapi/gssapi.h');
}

function isInstalled({ folder, packages, proof }) {
  const home = join(cache, folder);
  const marker = join(home, '.complete');
  if (existsSync(marker)) return readFileSync(marker, 'utf8') === packages.join('\n');
  if (!proof.every((file) => existsSync(join(home, file)))) return false;
  writeFileSync(marker, packages.join('\n'));
  return true;
}

function ensureTool(tool) {
  if (tool.platform && tool.platform !== `${platform}-${process.arch}`) {
    console.log(`${tool.packages.join(', ')}: not on this platform; the tests that need it are skipped.`);
    return;
  }
  if (isInstalled(tool)) return;
  const home = join(cache, tool.folder);
  console.log(`Installing ${tool.packages.join(', ')} into ${home}${tool.time ? ` (${tool.time})` : ''}`);
  // Nobody sees a folder that is not complete, and several runs may install at once: each in a folder of its own.
  const making = `${home}.${process.pid}`;
  try {
    install(tool, making);
    if (isInstalled(tool)) return;
    rmSync(home, { recursive: true, force: true });
    renameSync(making, home);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** @throws Error where the packages are not complete in the folder afterwards. */
function install(tool, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, allowScripts: tool.allowScripts }),
  );
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', ...(tool.flags ?? [])];
  const { status } = spawnSync('npm', ['install', ...flags, ...tool.packages], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: installEnvironment(tool),
    shell: platform === 'win32',
  });
  const absent = tool.proof.filter((file) => !existsSync(join(folder, file)));
  if (status !== 0 || absent.length > 0) {
    const detail = absent.length > 0 ? `; ${absent.join(', ')} is missing` : '';
    throw new Error(
      `npm could not install ${tool.packages.join(', ')} (status ${status}${detail}).${tool.hint ? `\n${tool.hint}` : ''}`,
    );
  }
  writeFileSync(join(folder, '.complete'), tool.packages.join('\n'));
}

/**
 * `npm test` exports npm's settings to its children. Registry and proxy are kept; settings of the outer npm are removed: the
 * server's install script reads Node's version from the user agent.
 */
function installEnvironment({ needsNode24 }) {
  const outer = /^npm_(?!config_)|^npm_config_(user_agent|local_prefix|omit|ignore_scripts)$|^NODE_OPTIONS$/i;
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !outer.test(name)));
  return needsNode24 ? { ...clean, PATH: [dirname(installedNode(24)), env.PATH].join(delimiter) } : clean;
}

if (argv[1]?.endsWith('setup-tests.mjs')) {
  try {
    await ensureTestTools();
    console.log(`The tests' tools are in ${cache}.`);
  } catch (error) {
    console.error(error.message);
    exit(1);
  }
}
