// Runs the in-host tests in the VS Code server of the test cache. `--electron` runs them in the desktop VS Code instead; `--build`
// only builds them and makes their workspace, for the launch configuration "Extension Tests".
import { build } from 'esbuild';
import { mkdirSync } from 'node:fs';
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
});
await build({
  ...common,
  entryPoints: { workspace: join(here, 'workspace.ts') },
  format: 'esm',
  outExtension: { '.js': '.mjs' },
});
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
exit(await launch({ root, tests: join(out, 'tests.cjs'), report: join(root, 'test-results', 'host.json') }));
