import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** A small file that was made by another program for these tests. */
export const fixture = (...path: string[]): string => join(projectRoot, 'test', 'fixtures', ...path);
export const sampleFolder = join(projectRoot, 'samples', 'tiny-shakespeare-llama');
export const sampleWeights = join(sampleFolder, 'model.safetensors');

/** Real files of other projects, kept next to the project; tests that read them are skipped where it is absent. */
export const sharedData = join(projectRoot, '..', 'shared', 'data');
export const hasSharedData = existsSync(sharedData);
export const sharedModel = join(projectRoot, '..', 'shared', 'models', 'tiny-shakespeare-llama');
if (!hasSharedData) console.warn(`Tests of real files are skipped: ${sharedData} is not there.`);

const temporaryFolders: string[] = [];

export function removeTemporaryFolders(): void {
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
}

/** A folder that is removed when the test file is done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-test-'));
  temporaryFolders.push(folder);
  return folder;
}

/** The bytes of a safetensors file with this header and this much data. */
export function safetensorsBytes(header: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

export function writeFile(folder: string, name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Files of a folder and all below it; none where the folder does not exist. */
export function filesUnder(folder: string, extension: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => extension.test(name))
    .map((name) => join(folder, name))
    .sort();
}
