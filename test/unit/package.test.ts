import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json';
import { projectRoot, temporaryFolder } from '../support/files';

describe('the package', () => {
  const files = execFileSync(process.execPath, [join(projectRoot, 'scripts', 'package.mjs'), '--list'], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean);

  it.each([
    'package.json',
    'package.nls.json',
    'package.nls.zh-cn.json',
    'l10n/bundle.l10n.json',
    'l10n/bundle.l10n.zh-cn.json',
    'README.md',
    'CHANGELOG.md',
    'dist/extension.cjs',
    'dist/names.cjs',
    'dist/planPlaces.cjs',
    'dist/tools.cjs',
    'dist/engine.mjs',
    'dist/cli.mjs',
    'dist/command.mjs',
    'dist/webview.js',
    'dist/webview.css',
    'dist/ThirdPartyNotices.txt',
    'assets/general-calibration.txt',
    'api/quantscope.d.ts',
    'schemas/ampq.schema.json',
    'schemas/gains.schema.json',
    'schemas/recipe.schema.json',
    'docs/DOCTOR.md',
    `prebuilds/${process.platform}-${process.arch}/quantscope.node`,
    'node_modules/onnxruntime-node/dist/index.js',
  ])('holds %s', (file) => expect(files).toContain(file));

  it('holds the pictures and icons that package.json names', () => {
    const named = new Set(JSON.stringify(packageJson.contributes).match(/media\/[\w-]+\.\w+/g));
    expect(named.size).toBeGreaterThan(10);
    for (const file of named) expect(files).toContain(file);
  });

  it('holds its icon, a PNG of 256 pixels square', () => {
    expect(files).toContain(packageJson.icon);
    const png = readFileSync(join(projectRoot, packageJson.icon));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([256, 256]);
  });

  it('holds nothing that does not run, besides the types of the API', () => {
    const foreign = files.filter((file) =>
      /^(src|test|native|samples|docs(?!\/DOCTOR\.md$)|scripts|webview|build|\.ci|\.vscode)\/|\.map$|^(?!api\/).*\.ts$/.test(
        file,
      ),
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

  it('holds the binaries of this platform only', () => {
    const binaries = files.filter((file) => /\.(node|so\.?\d*|dll|dylib)$/.test(file));
    const folders = new Set(binaries.map((file) => dirname(file)));
    expect([...folders].sort()).toEqual([
      `node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`,
      `prebuilds/${process.platform}-${process.arch}`,
    ]);
  });

  it('cannot be packed without naming a platform', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(projectRoot, 'scripts', 'prepublish.mjs')], {
      encoding: 'utf8',
      env: { ...process.env, QUANTSCOPE_PACKAGE: '' },
    });
    expect(status).toBe(1);
    expect(stderr).toContain('npm run package -- --target');
  });

  it.each([
    ...['onnxruntime-node', '@huggingface/tokenizers', 'preact', 'plotly.js', 'node-addon-api'],
    ...['@modelcontextprotocol/sdk', 'zod'],
  ])('holds the licence of %s', (name) => {
    const { version, license } = JSON.parse(
      readFileSync(join(projectRoot, 'node_modules', name, 'package.json'), 'utf8'),
    ) as { version: string; license: string };
    const notices = readFileSync(join(projectRoot, 'dist', 'ThirdPartyNotices.txt'), 'utf8');
    const notice = notices
      .split(/^-{100}$/m)
      .find((part) => part.includes(`${name} ${version} (${license})`));
    expect(notice).toMatch(license === 'MIT' ? /Permission is hereby granted/ : /Apache License/);
  });
});
