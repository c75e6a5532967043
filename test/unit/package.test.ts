import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot, temporaryFolder } from '../support/files';

describe('the package', () => {
  const files = execFileSync(
    process.execPath,
    [join(projectRoot, 'node_modules', '@vscode', 'vsce', 'vsce'), 'ls'],
    {
      cwd: projectRoot,
      encoding: 'utf8',
    },
  )
    .split('\n')
    .filter(Boolean);

  it.each([
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'dist/extension.cjs',
    'dist/engine.mjs',
    'dist/cli.mjs',
    'dist/webview.js',
    'dist/webview.css',
    'schemas/ampq.schema.json',
    `prebuilds/${process.platform}-${process.arch}/quantscope.node`,
    'node_modules/onnxruntime-node/dist/index.js',
  ])('holds %s', (file) => expect(files).toContain(file));

  it('holds nothing that does not run', () => {
    const foreign = files.filter((file) =>
      /^(src|test|native|samples|docs|scripts|webview|build|\.ci|\.vscode)\/|\.map$|\.ts$/.test(file),
    );
    expect(foreign).toEqual([]);
  });

  it('holds all that ONNX Runtime needs to load', () => {
    const folder = temporaryFolder();
    for (const file of files.filter((name) => name.startsWith('node_modules/')))
      cpSync(join(projectRoot, file), join(folder, file));
    const script = "console.log(typeof require('onnxruntime-node').InferenceSession.create)";
    const loaded = execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' });
    expect(loaded.trim()).toBe('function');
  });

  it('holds ONNX Runtime for one platform only', () => {
    const platforms = new Set(files.flatMap((file) => /napi-v6\/(\w+\/\w+)\//.exec(file)?.[1] ?? []));
    expect([...platforms]).toEqual(['linux/x64']);
  });
});
