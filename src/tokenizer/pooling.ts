import { join } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readJsonFile } from '../model/jsonFiles';
import { exists } from './tokenizerFiles';

/** How an embedding model combines a text's vectors into one, by llama.cpp's numbers (llama.h, llama_pooling_type). */
export interface Pooling {
  readonly type?: number;
  /** What GGUF does not express, as sentences. */
  readonly notes: readonly string[];
}

/** Keys of a pooling module's config.json (sentence-transformers), and values of its newer key `pooling_mode` → llama_pooling_type. */
const poolingTypes: ReadonlyMap<unknown, number> = new Map([
  ['pooling_mode_mean_tokens', 1],
  ['mean', 1],
  ['pooling_mode_cls_token', 2],
  ['cls', 2],
  ['pooling_mode_lasttoken', 3],
  ['lasttoken', 3],
]);

/** Modules that change nothing in the file: the model itself, pooling, and what every runtime can do afterwards. */
const expressed = /\.(Transformer|Pooling|Normalize)$/;

/**
 * Pooling of a sentence-transformers model, by modules.json and the folder of its pooling module (1_Pooling); nothing where there
 * is none.
 * @throws QuantscopeError MODEL_FILE or IO for files that exist but cannot be used.
 */
export async function readPooling(folder: string): Promise<Pooling> {
  const file = join(folder, 'modules.json');
  if (!(await exists(file))) return { notes: [] };
  const { value } = await readJsonFile(file);
  if (!Array.isArray(value))
    throw new QuantscopeError('MODEL_FILE', 'The file does not hold a list of modules.', { file, offset: 0 });
  const modules = value
    .filter(isRecord)
    .map(({ type, path }) => ({ type: asText(type), path: asText(path) }));
  const others = modules.filter(({ type }) => !expressed.test(type)).map(({ type }) => JSON.stringify(type));
  const notes =
    others.length === 0
      ? []
      : [
          `modules.json lists ${others.join(', ')}, which GGUF cannot express: embeddings are made without it.`,
        ];
  const pooling = modules.find(({ type }) => type.endsWith('.Pooling'));
  if (!pooling) return { notes };
  if (!/^\w[\w.-]*$/.test(pooling.path)) {
    const message = `The pooling module has the path ${JSON.stringify(pooling.path)}, which is not a folder of this model.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
  }
  return poolingOf(join(folder, pooling.path, 'config.json'), notes);
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

async function poolingOf(file: string, notes: readonly string[]): Promise<Pooling> {
  const { value } = await readJsonFile(file);
  const config = isRecord(value) ? value : {};
  const modes = Object.entries(config)
    .filter(([key, on]) => key.startsWith('pooling_mode_') && on === true)
    .map(([key]) => key);
  const stated = modes.length > 0 ? modes : [asText(config['pooling_mode'])];
  const type = stated.length === 1 ? poolingTypes.get(stated[0]) : undefined;
  if (type !== undefined) return { type, notes };
  const note = `The pooling of this model (${stated.join(' and ')}) cannot be expressed in GGUF: choose one when you run it.`;
  return { notes: [...notes, note] };
}
