// The licences of all packages whose code is in the bundles, or next to them in the VSIX, as one text.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './prepare.mjs';

/** Packages that the VSIX contains outside the bundles. */
const besideBundles = ['onnxruntime-node', 'onnxruntime-common', 'node-addon-api'];
/** Copyright holders of packages whose package.json does not name them as the author. */
const holders = {
  'onnxruntime-node': 'Microsoft Corporation',
  'onnxruntime-common': 'Microsoft Corporation',
};

/** The package of a bundled file ("node_modules/@scope/name/lib/x.js"); undefined for our own. */
function packageOf(file) {
  const inside = file.split('node_modules/').pop();
  if (inside === file) return undefined;
  return inside
    .split('/')
    .slice(0, inside.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * @param metafiles of esbuild's builds
 * @throws Error when a package states no licence.
 */
export function thirdPartyNotices(metafiles) {
  const bundled = metafiles.flatMap(({ inputs }) =>
    Object.keys(inputs).flatMap((file) => packageOf(file) ?? []),
  );
  const names = [...new Set([...bundled, ...besideBundles])].sort();
  const head =
    'Quantscope contains the following packages. ONNX Runtime in turn contains software of others; its notices are at\n' +
    'https://github.com/microsoft/onnxruntime/blob/main/ThirdPartyNotices.txt\n';
  return [head, ...names.map(notice)].join(`\n${'-'.repeat(100)}\n\n`);
}

function notice(name) {
  const folder = join(root, 'node_modules', name);
  const { version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${name} states no licence in its package.json.`);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const named = typeof author === 'object' ? author.name : author;
  const holder = holders[name] ?? named ?? `the authors of ${name}`;
  const text =
    file === undefined ? standardText(name, license, holder) : readFileSync(join(folder, file), 'utf8');
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/** The text of the licence of a package that names it but does not include it. */
function standardText(name, license, holder) {
  if (license !== 'MIT' || !existsSync(join(root, 'LICENSE')))
    throw new Error(`${name} (${license}) does not include the text of its licence.`);
  return readFileSync(join(root, 'LICENSE'), 'utf8').replace(/^Copyright .*$/m, `Copyright (c) ${holder}`);
}
