// npm run bench -- kernels: installs and builds what is missing, then runs test/bench/<name>.bench.ts with the options
// that follow the name.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath, exit } from 'node:process';
import { ensureAddon, ensureDependencies, root } from './prepare.mjs';

const folder = join(root, 'test', 'bench');
const ending = '.bench.ts';
const names = readdirSync(folder)
  .filter((file) => file.endsWith(ending))
  .map((file) => file.slice(0, -ending.length));

const [name, ...options] = argv.slice(2);
if (!names.includes(name)) {
  console.error(`Which benchmark? npm run bench -- <name>; the names are: ${names.join(', ')}.`);
  exit(2);
}

ensureDependencies();
ensureAddon();
const { ensureTestTools } = await import('./setup-tests.mjs');
await ensureTestTools();
const { build } = await import('esbuild');
const program = `bench-${name}`;
await build({
  entryPoints: { [program]: join(folder, name + ending) },
  outdir: join(root, 'dist'),
  chunkNames: `${program}-[hash]`,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true, // a process that measures loads only what it needs
  platform: 'node',
  format: 'esm',
  packages: 'external',
  logLevel: 'warning',
});
const child = spawn(execPath, [join(root, 'dist', `${program}.mjs`), ...options], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('close', (code) => exit(code ?? 1));
