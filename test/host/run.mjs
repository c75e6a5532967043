// Runs the in-host tests in the VS Code server of the test cache. `--electron` runs them in the desktop VS Code instead; `--build`
// only builds them and makes their workspace, for the launch configuration "Extension Tests". Words choose test files by their names.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const out = join(root, 'test-results', 'host');
mkdirSync(out, { recursive: true });
const common = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  sourcemap: 'inline',
  outdir: out,
  logLevel: 'warning',
};

await build({
  ...common,
  entryPoints: { tests: join(here, 'index.ts') },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  external: ['vscode', 'mocha'],
  logOverride: { 'empty-import-meta': 'silent' }, // of code that looks for the addon, which tests leave to the engine
});
await build({
  ...common,
  entryPoints: { workspace: join(here, 'workspace.ts') },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
});
const consumer = await buildConsumer();
if (argv.includes('--build')) {
  const { fillWorkspace } = await import(pathToFileURL(join(out, 'workspace.mjs')).href);
  fillWorkspace(root, join(out, 'workspace'));
  exit(0);
}
const launcher = argv.includes('--electron') ? 'launchElectron' : 'launchServer';
await build({
  ...common,
  entryPoints: { [launcher]: join(here, `${launcher}.ts`) },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  packages: 'external',
});
const { launch } = await import(pathToFileURL(join(out, `${launcher}.mjs`)).href);
exit(
  await launch({
    ...{ root, consumer },
    tests: join(out, 'tests.cjs'),
    report: join(root, 'test-results', 'host.json'),
    words: argv.slice(2).filter((argument) => !argument.startsWith('--')),
  }),
);

/** The example of docs/API.md as an extension of its own, which uses Quantscope's API. @returns its folder. */
async function buildConsumer() {
  const folder = join(out, 'consumer');
  mkdirSync(folder, { recursive: true });
  const [, example] = /```ts\n([^]*?)```/.exec(readFileSync(join(root, 'docs', 'API.md'), 'utf8'));
  const [, manifest] = /```json\n([^]*?)```/.exec(readFileSync(join(root, 'docs', 'API.md'), 'utf8'));
  writeFileSync(join(folder, 'package.json'), manifest);
  await build({
    ...common,
    stdin: { contents: example, loader: 'ts', resolveDir: folder },
    outdir: undefined,
    outfile: join(folder, 'extension.js'),
    format: 'cjs',
    external: ['vscode'],
  });
  return folder;
}
