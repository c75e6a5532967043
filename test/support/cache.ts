import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder of the tools that tests install once (scripts/setup-tests.mjs). */
export function cacheDir(name: string): string {
  return join(process.env['QUANTSCOPE_CACHE'] ?? join(homedir(), '.cache', 'quantscope'), name);
}

const llama = cacheDir('llama-cpp-3.22.1');
const libraries = join(llama, 'node_modules', '@node-llama-cpp', 'linux-x64', 'bins', 'linux-x64');

/** True where llama.cpp's libraries are installed. */
export const hasLlamaCpp = existsSync(libraries);

/** Entry of the `node-llama-cpp` package in the cache. */
export const nodeLlamaCpp = join(llama, 'node_modules', 'node-llama-cpp', 'dist', 'index.js');

/** llama.cpp with its library for images: an addon whose functions are called directly. */
export const llamaVision = join(
  cacheDir('llama-vision-1.7.15'),
  ...['node_modules', '@fugood', 'node-llama-linux-x64', 'index.node'],
);

/** A shared library of llama.cpp by the start of its name; names carry the release. */
export function llamaCppLibrary(prefix: 'libggml-base' | 'libggml.' | 'libllama.'): string {
  const name = readdirSync(libraries).find((file) => file.startsWith(prefix) && file.includes('.so'));
  if (!name) throw new Error(`No ${prefix}*.so in ${libraries}`);
  return join(libraries, name);
}
