// Builds the four programs into dist/: extension host part, engine process, command line, webview.
import { build, context } from 'esbuild';
import { argv } from 'node:process';

const watch = argv.includes('--watch');
const production = argv.includes('--production');
const common = {
  bundle: true,
  sourcemap: !production,
  minify: production,
  logLevel: 'info',
  legalComments: 'linked',
};
const requireShim =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";
const node = {
  ...common,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  external: ['onnxruntime-node'],
};

const programs = [
  {
    ...common,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    entryPoints: { extension: 'src/extension.ts' },
    external: ['vscode'],
    outdir: 'dist',
  },
  { ...node, entryPoints: { engine: 'src/engine/main.ts' }, banner: { js: requireShim }, outdir: 'dist' },
  {
    ...node,
    entryPoints: { cli: 'src/cli/main.ts' },
    banner: { js: `#!/usr/bin/env node\n${requireShim}` },
    outdir: 'dist',
  },
  {
    ...common,
    platform: 'browser',
    target: 'chrome120',
    format: 'iife',
    define: { global: 'globalThis', 'process.env.NODE_ENV': production ? '"production"' : '"development"' },
    jsx: 'automatic',
    jsxImportSource: 'preact',
    entryPoints: { webview: 'webview/main.tsx' },
    loader: { '.ttf': 'file' },
    outdir: 'dist',
  },
];

if (watch) {
  const contexts = await Promise.all(programs.map((options) => context(options)));
  await Promise.all(contexts.map((running) => running.watch()));
} else {
  await Promise.all(programs.map((options) => build(options)));
}
