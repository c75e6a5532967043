// Builds the four programs into dist/: extension host part, engine process, command line, webview; and the licences of what they
// contain. --production minifies and omits source maps, --watch rebuilds whenever a source changes.
import { build, context } from 'esbuild';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { thirdPartyNotices } from './scripts/notices.mjs';
import { root } from './scripts/prepare.mjs';

const watch = argv.includes('--watch');
const production = argv.includes('--production');
const common = {
  bundle: true,
  sourcemap: !production,
  minify: production,
  logLevel: 'info',
  legalComments: 'none',
  metafile: true,
  // Its main file is UMD, which cannot be bundled.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
};
const requireShim =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";
const node = {
  ...common,
  platform: 'node',
  target: 'node22',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  external: ['onnxruntime-node'],
};

/** Modules that are files of their own: the extension host reads them when they are needed for the first time. */
const apart = [
  { module: /\/tools\/tools$/, file: './tools.cjs' },
  { module: /\/documents\/nameAt$/, file: './names.cjs' },
  { module: /\/completionPlace$/, file: './planPlaces.cjs' },
];
const filesApart = {
  name: 'files-apart',
  setup({ onResolve }) {
    for (const { module, file } of apart)
      onResolve({ filter: module }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: file, external: true } : undefined,
      );
  },
};

const programs = [
  {
    ...common,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    // The addon is loaded by the engine alone: here its place is unknown, and loading it fails.
    define: { 'import.meta.url': 'undefined' },
    entryPoints: {
      extension: 'src/extension.ts',
      tools: 'src/tools/tools.ts',
      names: 'src/vscode/hovers/documents/nameAt.ts',
      planPlaces: 'src/vscode/planLanguage/completionPlace.ts',
    },
    external: ['vscode'],
    supported: { 'dynamic-import': false },
    plugins: [filesApart],
    outdir: 'dist',
  },
  { ...node, entryPoints: { engine: 'src/engine/main.ts' }, banner: { js: requireShim }, outdir: 'dist' },
  {
    ...node,
    entryPoints: { cli: 'src/cli/main.ts', command: 'src/cli/worker.ts' },
    banner: { js: `#!/usr/bin/env node\n${requireShim}` },
    outdir: 'dist',
    // What one command alone needs, such as the library of its protocol, is loaded by that command.
    splitting: true,
    chunkNames: 'command-[hash]',
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

/** Number of running builds. */
let running = 0;

/** Tells VS Code's watch task when a build starts and when all four programs are done. */
const reportBuilds = {
  name: 'report-builds',
  setup({ onStart, onEnd }) {
    onStart(() => {
      if (running++ === 0) console.log('[watch] build started');
    });
    onEnd(({ errors }) => {
      for (const { text, location } of errors)
        console.error(
          `> ${location?.file ?? ''}:${location?.line ?? 0}:${location?.column ?? 0}: error: ${text}`,
        );
      if (--running === 0) console.log('[watch] build finished');
    });
  },
};

// Chunks of earlier builds have other names.
for (const name of existsSync(join(root, 'dist')) ? readdirSync(join(root, 'dist')) : [])
  if (name.startsWith('command-')) rmSync(join(root, 'dist', name));

if (watch) {
  const contexts = await Promise.all(
    programs.map((options) =>
      context({ ...options, logLevel: 'silent', plugins: [...(options.plugins ?? []), reportBuilds] }),
    ),
  );
  await Promise.all(contexts.map((program) => program.watch()));
} else {
  const built = await Promise.all(programs.map((options) => build(options)));
  const notices = thirdPartyNotices(built.map(({ metafile }) => metafile));
  writeFileSync(join(root, 'dist', 'ThirdPartyNotices.txt'), notices);
}
