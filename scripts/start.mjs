// npm start: opens the sample model (or the given folder) in VS Code with the extension loaded. Uses the desktop VS Code if `code`
// is on the PATH, else the VS Code server at a local address.
import { spawn, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { argv, execPath, exit, platform } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

ensureDependencies();
ensureAddon();
ensureBundles();

const folder = resolve(argv[2] ?? join(root, 'samples', 'tiny-shakespeare-llama'));
const shell = platform === 'win32'; // code is a .cmd there
const hasDesktop = spawnSync('code', ['--version'], { stdio: 'ignore', shell }).status === 0;

if (hasDesktop) {
  const { status } = spawnSync('code', [`--extensionDevelopmentPath=${root}`, folder], {
    stdio: 'inherit',
    shell,
  });
  exit(status ?? 1);
}

const { ensureVsCodeServer } = await import('./setup-tests.mjs');
try {
  await ensureVsCodeServer();
} catch (error) {
  console.error(error.message);
  exit(1);
}
const { build } = await import('esbuild');
await build({
  entryPoints: [join(root, 'scripts', 'serve.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  outfile: join(root, 'dist', 'serve.mjs'),
  logLevel: 'warning',
});
const server = spawn(execPath, [join(root, 'dist', 'serve.mjs'), folder, root], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
server.on('close', (code) => exit(code ?? 0));
