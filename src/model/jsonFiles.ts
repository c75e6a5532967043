import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { MetadataEntry } from '../protocol/model';
import { openFileSource } from './byteSource';
import { QuantscopeError } from './errors';
import { isRecord } from './json';
import { maxJsonFile } from './limits';
import { jsonEntry } from './metadataEntries';

export interface JsonFile {
  readonly value: unknown;
  readonly hash: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * Reads a JSON file beside a model.
 * @throws QuantscopeError MODEL_FILE when it is too large or not JSON, IO when it cannot be read.
 */
export async function readJsonFile(path: string): Promise<JsonFile> {
  const source = await openFileSource(path);
  try {
    if (source.size > maxJsonFile) {
      throw new QuantscopeError(
        'MODEL_FILE',
        `The file of ${source.size} bytes is too large for JSON of this kind.`,
        { file: path, offset: 0 },
      );
    }
    if (source.size === 0)
      throw new QuantscopeError('MODEL_FILE', 'The file is empty.', { file: path, offset: 0 });
    const bytes = await source.read(0, source.size);
    const hash = createHash('sha256').update(bytes).digest('hex');
    return {
      value: parse(Buffer.from(bytes).toString('utf8'), path),
      hash,
      size: source.size,
      mtimeMs: source.mtimeMs,
    };
  } finally {
    await source.close();
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `The file is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 }, cause);
  }
}

/** config.json of a folder, or undefined when there is none or it is no object. */
export async function readConfig(folder: string): Promise<Record<string, unknown> | undefined> {
  try {
    const { value } = await readJsonFile(join(folder, 'config.json'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // the weights can be looked at without it; an export that needs it reads it again and says why
  }
}

export function configEntries(config: Record<string, unknown>): MetadataEntry[] {
  return Object.entries(config).map(([key, value]) => jsonEntry(key, value, 'config.json'));
}
