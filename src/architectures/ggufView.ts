import { joinPlace } from '../model/place';
import { QuantscopeError } from '../model/errors';
import type { GgufFile } from '../model/gguf';
import type { GgufScalar } from '../model/ggufValue';
import { configName } from '../model/jsonFiles';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/model';
import type { ModelPart, TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { convertCheckpoint, type ConvertedCheckpoint, type ConvertOptions } from './convertCheckpoint';
import { unchanged, type ConvertedTensor } from './convertedTensor';
import type { ComputedTensor, LayerWindow } from './description';
import { sameWeights } from './sameWeights';

/** What is needed of a model: its headers, and reads of the few tensors that headers do not decide. */
export type ModelHeaders = Pick<
  Model,
  'description' | 'folder' | 'config' | 'configProblem' | 'modules' | 'modulesProblem' | 'gguf' | 'readInto'
>;

/** A model in GGUF's view, whatever its format. */
export interface GgufView {
  /** `general.architecture`; empty where a file does not say. */
  readonly architecture: string;
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  /** Hyper-parameters of a checkpoint under their full keys; a GGUF file brings its own. */
  readonly keyValues: readonly KeyValue[];
  /** What was chosen or left out, and how llama.cpp differs from transformers on a checkpoint, as sentences. */
  readonly notes: readonly string[];
  /** Windows of a checkpoint that its GGUF file will not have. */
  readonly window?: LayerWindow;
  /** Divisors of a checkpoint's rotary frequencies that its GGUF file will not have. */
  readonly divisors?: Float32Array;
  /** The value of a full key; of an array the first element. */
  readonly value: (key: string) => GgufScalar | undefined;
  /** All elements of an array of at most `maxHeldElements` numbers or flags by its full key: one for each layer. */
  readonly list: (key: string) => readonly GgufScalar[] | undefined;
}

/** Hyper-parameters of a GGUF view. */
export type GgufHeader = Pick<GgufView, 'architecture' | 'value' | 'list'>;

const views = new WeakMap<ModelHeaders, GgufView>();
const conversions = new WeakMap<ModelHeaders, ConvertedCheckpoint>();

/**
 * The model's tensors under their GGUF names, and its hyper-parameters; made once for an open model. Reads headers only, except
 * the output and the embedding of a checkpoint that should tie them but has both.
 * @throws QuantscopeError REQUEST for missing shards, for one that is opened alone and for a missing config.json, MODEL_FILE for one
 * that cannot be read; UNSUPPORTED and MODEL_FILE as `convertCheckpoint`.
 */
export async function ggufView(model: ModelHeaders, signal?: AbortSignal): Promise<GgufView> {
  const known = views.get(model);
  if (known) return known;
  const { description, gguf } = model;
  checkComplete(description);
  const view = gguf ? viewOfGguf(gguf, description.tensors) : await viewOfCheckpoint(model, signal);
  views.set(model, view);
  return view;
}

/**
 * What headers alone tell of a model's GGUF view; reads no weights.
 * @throws QuantscopeError as `ggufView`.
 */
export function ggufHeader(model: ModelHeaders): GgufHeader {
  checkComplete(model.description);
  if (model.gguf) return headerOfGguf(model.gguf);
  const stated = convertedAsStated(model);
  return { architecture: stated.architecture, ...lookUp(stated) };
}

function checkComplete({ missingFiles, missingBytes, part, path }: ModelHeaders['description']): void {
  if (part?.alone) throw new QuantscopeError('REQUEST', aloneText(part), { file: path });
  if (missingFiles.length > 0)
    throw new QuantscopeError('REQUEST', said`Shards are missing: ${missingFiles.slice(0, 5).join(', ')}.`, {
      file: path,
    });
  if (missingBytes > 0)
    throw new QuantscopeError(
      'REQUEST',
      said`${missingBytes} bytes are missing: the model is not complete.`,
      {
        file: path,
      },
    );
}

function headerOfGguf(gguf: GgufFile): GgufHeader {
  const value = valuesOfGguf(gguf);
  const architecture = value('general.architecture');
  return {
    architecture: typeof architecture === 'string' ? architecture : '',
    value,
    list: (key) => gguf.metadata.get(key)?.array?.all,
  };
}

const aloneText = ({ file, number, count }: ModelPart): string =>
  `${file} is file ${number} of ${count} of a model and is opened alone: exports, evaluations, importance matrices and comparisons with GGUF need all of them.`;

function viewOfGguf(gguf: GgufFile, tensors: readonly TensorDescriptor[]): GgufView {
  return {
    ...headerOfGguf(gguf),
    tensors: tensors.map((tensor) => unchanged(tensor)),
    ...{ computed: [], keyValues: [], notes: [] },
  };
}

const configFile = ({ folder, config }: ModelHeaders): string => joinPlace(folder, configName(config));

/** A checkpoint in GGUF's view, where its output is by default as config.json states. */
function converted(
  model: ModelHeaders,
  options: Pick<ConvertOptions, 'ownOutput'> = {},
): ConvertedCheckpoint {
  const { config, configProblem, description, modules, modulesProblem } = model;
  const file = configFile(model);
  const problem = configProblem ?? modulesProblem;
  if (problem) throw problem;
  if (!config)
    throw new QuantscopeError(
      'REQUEST',
      said`Names and shapes of a checkpoint follow from its config.json, which is missing next to its weights.`,
      { file },
    );
  return convertCheckpoint(description.tensors, config, file, { ...options, modules });
}

/** Converted once for an open model. */
function convertedAsStated(model: ModelHeaders): ConvertedCheckpoint {
  const known = conversions.get(model);
  if (known) return known;
  const stated = converted(model);
  conversions.set(model, stated);
  return stated;
}

async function viewOfCheckpoint(model: ModelHeaders, signal: AbortSignal | undefined): Promise<GgufView> {
  const stated = convertedAsStated(model);
  const { tied } = stated;
  if (!tied || (await sameWeights(model, tied.output, tied.embedding, signal)))
    return { ...stated, ...lookUp(stated) };
  const own = converted(model, { ownOutput: true });
  const note = said`config.json says that the output is the embedding ("tie_word_embeddings"), but ${tied.output.name} and ${tied.embedding.name} differ: ${tied.output.name} is used as output.`;
  return { ...own, notes: [note, ...own.notes], ...lookUp(own) };
}

const lookUp = ({ keyValues }: ConvertedCheckpoint): Pick<GgufView, 'value' | 'list'> => ({
  value: valuesOfPairs(keyValues),
  list(key) {
    const pair = keyValues.find((candidate) => candidate.key === key);
    return pair?.type === 'array' && 'values' in pair ? pair.values : undefined;
  },
});

/** Look-up in the metadata of a GGUF file. */
export const valuesOfGguf =
  (gguf: Pick<GgufFile, 'metadata'>): GgufView['value'] =>
  (key) => {
    const value = gguf.metadata.get(key);
    return value?.array ? value.array.first[0] : value?.scalar;
  };

/** Look-up in the key-values of a file to be written. */
export const valuesOfPairs =
  (pairs: readonly KeyValue[]): GgufView['value'] =>
  (key) => {
    const pair = pairs.find((candidate) => candidate.key === key);
    if (!pair || 'raw' in pair) return undefined;
    return pair.type === 'array' ? pair.values[0] : pair.value;
  };
