// npm run package: makes the VSIX for one platform, with its addon and its part of ONNX Runtime. `--target linux-x64` names the
// platform (by default this one; its addon must be in prebuilds/), `--out FOLDER` the folder for the file.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { arch, argv, env, execPath, exit, platform } from 'node:process';
import { parseArgs } from 'node:util';
import { ensureAddon, ensureDependencies, root } from './prepare.mjs';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    target: { type: 'string', default: `${platform}-${arch}` },
    out: { type: 'string', default: root },
    list: { type: 'boolean', default: false },
  },
});
const { target } = values;

ensureDependencies();
if (target === `${platform}-${arch}`) ensureAddon();
const addon = join('prebuilds', target, 'quantscope.node');
const runtime = join('node_modules', 'onnxruntime-node', 'bin', 'napi-v6', ...target.split('-'));
for (const file of [addon, runtime])
  if (!existsSync(join(root, file))) {
    console.error(`The package for ${target} cannot be made here: ${file} is missing.`);
    exit(1);
  }

const folder = mkdtempSync(join(tmpdir(), 'quantscope-vsce-'));
const ignoreFile = join(folder, '.vscodeignore');
const posix = (file) => file.replaceAll('\\', '/');
writeFileSync(
  ignoreFile,
  [
    readFileSync(join(root, '.vscodeignore'), 'utf8'),
    '# This platform only.',
    `!${posix(addon)}`,
    `!${posix(runtime)}/*`,
    `${posix(runtime)}/libonnxruntime_providers_*`,
    '',
  ].join('\n'),
);
const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
const shared = ['--ignoreFile', ignoreFile];
const pack = [
  '--no-rewrite-relative-links',
  '--allow-missing-repository',
  '--target',
  target,
  '--out',
  resolve(values.out),
];
const { status } = spawnSync(
  execPath,
  [vsce, ...(values.list ? ['ls', ...shared] : ['package', ...shared, ...pack])],
  { cwd: root, stdio: 'inherit', env: { ...env, QUANTSCOPE_PACKAGE: target } },
);
rmSync(folder, { recursive: true, force: true });
exit(status ?? 1);
