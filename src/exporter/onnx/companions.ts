import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { configName, readJsonFile } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import { exists, joinPlace, readPlace } from '../../model/place';
import { withKeys, withoutQuantization } from '../checkpoint/jsonText';
import { genaiConfig } from './genaiConfig';
import type { OnnxOptions, PlannedModel } from './planOnnx';
import { transformersJsConfig } from './transformersJs';
import { said } from '../../protocol/said';

/** A small file beside the graph. */
export interface Companion {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What generation tools read beside the graph. */
const copied = [
  ...['generation_config.json', 'tokenizer.json', 'tokenizer.model', 'tokenizer_config.json'],
  ...['added_tokens.json', 'special_tokens_map.json', 'vocab.json', 'merges.txt'],
  ...['spiece.model', 'sentencepiece.bpe.model', 'vocab.txt'],
  ...['tekken.json', 'tiktoken.model', 'qwen.tiktoken'],
  ...['chat_template.json', 'chat_template.jinja'],
];

/**
 * The files of a checkpoint's folder that go with the graph, and genai_config.json where it can state the model; none of a GGUF file.
 * How the checkpoint was quantized is left out of config.json: the graph says how it is.
 * @param out the folder, where it is known.
 * @throws QuantscopeError IO; MODEL_FILE for a file that should be JSON; REQUEST for transformers.js without config.json, or without keys
 * and values.
 */
export async function companionFiles(
  { folder, gguf, config }: Model,
  planned: PlannedModel,
  out: string | undefined,
  { transformersJs, withoutPast }: Pick<OnnxOptions, 'transformersJs' | 'withoutPast'>,
): Promise<Companion[]> {
  const stated = gguf ? undefined : config;
  if (transformersJs) checkTransformersJs(stated, withoutPast);
  if (!stated) return [];
  const library = transformersJs && (await transformersJsConfig(transformersJs, planned.file, out));
  const generation = withoutPast ? undefined : genaiConfig(planned, stated, await generationConfig(folder));
  return [
    ...(await configFile(folder, stated, library)),
    ...(await copies(folder)),
    ...(generation ? [jsonFile('genai_config.json', generation)] : []),
  ];
}

function checkTransformersJs(config: Model['config'], withoutPast: boolean | undefined): void {
  const refuse = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message);
  if (config === undefined || configName(config) !== 'config.json')
    throw refuse(said`transformers.js needs the config.json and tokenizer.json of a checkpoint.`);
  if (withoutPast)
    throw refuse(
      said`transformers.js generates with keys and values of earlier tokens: a graph needs their inputs.`,
    );
}

const jsonFile = (name: string, value: unknown): Companion => ({
  name,
  bytes: Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`),
});

/** config.json for the graph; the same bytes where nothing changes. */
async function configFile(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  library: Readonly<Record<string, unknown>> | undefined,
): Promise<Companion[]> {
  const name = 'config.json';
  const bytes = await readIfPresent(joinPlace(folder, name));
  if (!bytes) return [];
  const isQuantized = Object.keys(withoutQuantization).some((key) => config[key] !== undefined);
  const changes = {
    ...(isQuantized ? withoutQuantization : {}),
    ...(library ? { 'transformers.js_config': library } : {}),
  };
  if (Object.keys(changes).length === 0) return [{ name, bytes }];
  return [{ name, bytes: Buffer.from(`${withKeys(bytes.toString(), changes)}\n`) }];
}

async function copies(folder: string): Promise<Companion[]> {
  const files: Companion[] = [];
  for (const name of copied) {
    const bytes = await readIfPresent(joinPlace(folder, name));
    if (bytes) files.push({ name, bytes });
  }
  return files;
}

async function generationConfig(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const file = joinPlace(folder, 'generation_config.json');
  if (!(await exists(file))) return {};
  const { value } = await readJsonFile(file);
  return isRecord(value) ? value : {};
}

const readIfPresent = async (file: string): Promise<Buffer | undefined> =>
  (await exists(file)) ? Buffer.from(await readPlace(file)) : undefined;
