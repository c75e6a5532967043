import { createHash } from 'node:crypto';
import { lstat, stat } from 'node:fs/promises';
import type { MetadataEntry, ModelFileIdentity } from '../protocol/model';
import { said } from '../protocol/said';
import { QuantscopeError } from './errors';
import { foreignContent } from './fileKind';
import { isRecord, JsonTextError, lineAndColumn, parseJson } from './json';
import { maxJsonFile } from './limits';
import { jsonEntry } from './metadataEntries';
import { usualConfigName } from './modelName';
import { exists, joinPlace, openSource } from './place';
import { isRemote } from './remote/address';

export interface JsonFile {
  readonly value: unknown;
  readonly hash: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** The same before it is parsed. */
export type JsonBytes = Omit<JsonFile, 'value'> & { readonly bytes: Uint8Array };

/**
 * Reads a JSON file that belongs to a model.
 * @throws QuantscopeError MODEL_FILE saying what the file is instead of JSON, or what is wrong and in which line; IO when it cannot
 * be read.
 */
export async function readJsonFile(path: string, signal?: AbortSignal): Promise<JsonFile> {
  const { bytes, ...file } = await readBytesOfJson(path, signal);
  return { value: parseJsonBytes(bytes, path), ...file };
}

/** Its bytes, for `parseJsonBytes`. @throws QuantscopeError MODEL_FILE for a file that is empty or too large, IO. */
export async function readBytesOfJson(path: string, signal?: AbortSignal): Promise<JsonBytes> {
  const source = await openSource(path, signal);
  try {
    const { size, mtimeMs } = source;
    if (size > maxJsonFile)
      throw fail(path, said`The file of ${size} bytes is too large for JSON of this kind.`);
    if (size === 0) throw fail(path, said`The file is empty.`);
    const bytes = await source.read(0, size, signal);
    return { bytes, hash: createHash('sha256').update(bytes).digest('hex'), size, mtimeMs };
  } finally {
    await source.close();
  }
}

/** @throws QuantscopeError MODEL_FILE as `readJsonFile`. */
export function parseJsonBytes(bytes: Uint8Array, path: string): unknown {
  const foreign = foreignContent(bytes);
  if (foreign !== undefined) throw fail(path, foreign);
  const text = decodeText(bytes, path);
  try {
    return parseJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonTextError)) throw cause;
    const { line, column } = lineAndColumn(text, cause.index);
    const offset = Buffer.byteLength(text.slice(0, cause.index));
    const message = said`The file is not JSON: in line ${line}, column ${column}, ${cause.message}.`;
    throw fail(path, message, offset, cause);
  }
}

function decodeText(bytes: Uint8Array, path: string): string {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    throw fail(path, said`The file is UTF-16 text: save it as UTF-8.`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw fail(path, said`The file is not UTF-8 text.`, 0, cause);
  }
}

function fail(file: string, message: string, offset = 0, cause?: unknown): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', message, { file, offset }, cause);
}

/** `model_type` that is given to the contents of a params.json, which states none. */
export const mistralParams = 'mistral_params';

/** The file that a configuration comes from. */
export const configName = (config: Readonly<Record<string, unknown>> | undefined): string =>
  config?.['model_type'] === mistralParams ? 'params.json' : 'config.json';

/** config.json of a folder; where there is none, the params.json that Mistral writes beside "consolidated" weights. */
export interface ConfigFile {
  /** Absent if the file does not exist or cannot be read. */
  readonly config?: Record<string, unknown>;
  readonly identity?: ModelFileIdentity;
  /** Why an existing file cannot be read. */
  readonly problem?: QuantscopeError;
}

/** Reads config.json: the weights can be inspected without it, so a problem with it is returned, not thrown. */
export async function readConfig(folder: string, signal?: AbortSignal): Promise<ConfigFile> {
  const usual = joinPlace(folder, usualConfigName);
  const isUsual = await isNamed(usual, signal);
  const path = isUsual ? usual : joinPlace(folder, 'params.json');
  if (!isUsual && !(await isNamed(path, signal))) return {};
  try {
    const { value, hash, size, mtimeMs } = await readJsonFile(path, signal);
    const identity = { path, size, mtimeMs, headerHash: hash };
    if (isRecord(value)) {
      if (isUsual) return { config: value, identity };
      // Others call the arguments of a training so.
      return isMistral(value) ? { config: { ...value, model_type: mistralParams }, identity } : {};
    }
    return { identity, problem: fail(path, said`The file does not hold a JSON object.`) };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    const identity = await damagedIdentity(path, error);
    return { problem: error, ...(identity ? { identity } : {}) };
  }
}

/** Of a file that cannot be read: once it is another one, the model is too. */
async function damagedIdentity(
  path: string,
  { message }: QuantscopeError,
): Promise<ModelFileIdentity | undefined> {
  const found = isRemote(path) ? undefined : await stat(path).catch(() => undefined);
  const headerHash = createHash('sha256').update(message).digest('hex');
  return found && { path, size: found.size, mtimeMs: found.mtimeMs, headerHash };
}

const isMistral = (params: Readonly<Record<string, unknown>>): boolean =>
  ['dim', 'n_layers', 'n_heads'].every((key) => Object.hasOwn(params, key));

async function isNamed(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  if (isRemote(path)) return exists(path, signal);
  try {
    await lstat(path); // a link that leads nowhere is there, and a problem
    return true;
  } catch {
    return false;
  }
}

export function configEntries(config: Record<string, unknown>): MetadataEntry[] {
  return Object.entries(config).map(([key, value]) => jsonEntry(key, value, configName(config)));
}
