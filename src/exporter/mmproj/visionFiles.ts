import { exists, joinPlace } from '../../model/place';
import {
  convertVision,
  type ConvertedVision,
  type StatedFile,
} from '../../architectures/vision/convertVision';
import { visionFor } from '../../architectures/vision/registry';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { configName, readJsonFile } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import { readTokenizer } from '../../tokenizer/readTokenizer';
import { said } from '../../protocol/said';

/** The vision part of a model, and the file that says how images are prepared. */
export interface VisionPart extends ConvertedVision {
  readonly imagesFile: string;
}

/**
 * Reads what a checkpoint says of its vision part; no weights.
 * @throws QuantscopeError REQUEST for a model that is no whole checkpoint, or without the files that say how images are prepared; UNSUPPORTED and
 * MODEL_FILE as `convertVision`.
 */
export async function readVision(model: Model, signal?: AbortSignal): Promise<VisionPart> {
  const config = configOf(model);
  const { alsoTakes, images: builtIn } = visionFor(config.value, config.file);
  const images = builtIn ? { value: builtIn, file: config.file } : await imagesOf(model.folder, signal);
  const tokenIds = alsoTakes ? await tokensOf(model, config.value, signal) : new Map<unknown, number>();
  const converted = convertVision(model.description.tensors, {
    ...{ config, images, tokenId: (text) => tokenIds.get(text) },
  });
  return { ...converted, imagesFile: images.file };
}

function configOf({ description, config, configProblem, folder, gguf }: Model): StatedFile {
  const { path, part, missingFiles, missingBytes } = description;
  const wrong = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message, { file: path });
  if (gguf) throw wrong(said`A GGUF file has no vision part: give the checkpoint that it was made of.`);
  if (part?.alone) throw wrong(said`One file of a model is opened alone; its vision part needs all of them.`);
  if (missingFiles.length > 0 || missingBytes > 0)
    throw wrong(said`Files of the model are missing or incomplete.`);
  if (configProblem) throw configProblem;
  if (!config)
    throw wrong(said`The vision part follows from config.json, which is missing next to the weights.`);
  return { value: config, file: joinPlace(folder, configName(config)) };
}

/** Files that state how images are prepared, and the key under which the second one, of newer libraries, does. */
const [usual, combined] = ['preprocessor_config.json', 'processor_config.json'];
const inner = 'image_processor';

async function imagesOf(folder: string, signal: AbortSignal | undefined): Promise<StatedFile> {
  for (const name of [usual, combined]) {
    const file = joinPlace(folder, name);
    if (!(await exists(file))) continue;
    const { value } = await readJsonFile(file, signal);
    const stated = isRecord(value) && name === combined ? value[inner] : value;
    if (isRecord(stated)) return { value: stated, file };
    if (name === combined) break;
    throw new QuantscopeError('MODEL_FILE', said`The file does not hold a JSON object.`, { file });
  }
  const message = said`${usual}, which states how images are prepared, is missing next to the weights, and so is ${combined} with "${inner}".`;
  throw new QuantscopeError('REQUEST', message, { file: joinPlace(folder, usual) });
}

/** Ids of the tokens of a checkpoint, by text. */
async function tokensOf(
  { folder, description }: Model,
  config: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<unknown, number>> {
  const embedding = description.tensors.find(({ name }) => /(^|\.)embed_tokens\.weight$/.test(name));
  const rows = embedding?.shape[0];
  if (rows === undefined) return new Map();
  const { keyValues } = await readTokenizer(folder, config, rows, signal);
  const pair = keyValues.find(({ key }) => key === 'tokenizer.ggml.tokens');
  return new Map(pair && 'values' in pair ? pair.values.map((text, id) => [text, id]) : []);
}
