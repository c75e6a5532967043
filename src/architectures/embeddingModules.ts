import type { KeyValue } from '../model/keyValue';
import { isModule, moduleTensor, type SentenceModule } from '../model/sentenceModules';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { ArchitectureDescription, Conversion, TensorRule } from './description';
import { u32 } from './keyValues';

/** Keys of a pooling module's config.json (sentence-transformers), and values of its newer key `pooling_mode` → llama_pooling_type. */
const poolingTypes: ReadonlyMap<unknown, number> = new Map([
  ['pooling_mode_mean_tokens', 1],
  ['mean', 1],
  ['pooling_mode_cls_token', 2],
  ['cls', 2],
  ['pooling_mode_lasttoken', 3],
  ['lasttoken', 3],
]);

/** How states become one embedding, as modules of sentence-transformers; none where GGUF's number stands for none that they have. */
export function poolingModules(type: number | undefined, hiddenSize: number | undefined): SentenceModule[] {
  const keys = [...poolingTypes]
    .map(([key, number]) => [String(key), number] as const)
    .filter(([key]) => key.startsWith('pooling_mode_'));
  if (!keys.some(([, number]) => number === type)) return [];
  const modes = keys.map(([key, number]) => [key, number === type] as const);
  const config = { word_embedding_dimension: hiddenSize, ...Object.fromEntries(modes) };
  const models = 'sentence_transformers.models';
  return [
    { type: `${models}.Transformer`, path: '', config: {} },
    { type: `${models}.Pooling`, path: '1_Pooling', config },
  ];
}

/** A vector for each token (llama.h, llama_pooling_type). */
const noPooling = 0;

/** What of a model's modules goes into the file. */
type Expressed = Required<Pick<Conversion, 'keyValues' | 'notes'>> & {
  readonly tensors: readonly TensorRule[];
};

/**
 * Adds the pooling of an embedding model of sentence-transformers, and the dense layers after it where llama.cpp applies them.
 * Modules that the file does not have are noted; normalization is left to whoever runs the model, as in llama.cpp.
 * @param tensors of the checkpoint, those of modules included.
 */
export function withModules(
  conversion: Conversion,
  modules: readonly SentenceModule[],
  tensors: readonly TensorDescriptor[],
  { embeds, denseLayers }: Pick<ArchitectureDescription, 'embeds' | 'denseLayers'>,
): Conversion {
  const parts = [poolingOf(modules, embeds === true)];
  if (denseLayers && modules.some(isDense)) parts.push(denseLayersOf(conversion, modules, tensors));
  const used = new Set(parts.flatMap((part) => part.tensors.flatMap(({ from }) => from)));
  return {
    ...conversion,
    keyValues: [...conversion.keyValues, ...parts.flatMap(({ keyValues }) => keyValues)],
    tensors: [...conversion.tensors, ...parts.flatMap((part) => part.tensors)],
    ignored: [
      ...(conversion.ignored ?? []),
      ...(used.size > 0 ? [] : modules.filter(isDense).map(tensorsOf)),
    ],
    notes: [
      ...(conversion.notes ?? []),
      ...otherNotes(modules, denseLayers === true),
      ...parts.flatMap(({ notes }) => notes),
    ],
  };
}

const isDense = (module: SentenceModule): boolean => isModule(module, 'Dense');

const tensorsOf = ({ path }: SentenceModule): RegExp =>
  new RegExp(`^${path.replaceAll(/[.-]/g, String.raw`\$&`)}\\.`);

/** @param dense whether dense layers have a note of their own. */
function otherNotes(modules: readonly SentenceModule[], dense: boolean): string[] {
  const known = ['Transformer', 'Pooling', 'Normalize', ...(dense ? ['Dense'] : [])];
  const others = modules.filter((module) => !known.some((name) => isModule(module, name)));
  if (others.length === 0) return [];
  const names = others.map(({ type }) => JSON.stringify(type)).join(', ');
  const them = others.length === 1 ? 'it' : 'them';
  return [
    said`modules.json lists ${names}, which GGUF cannot express for this architecture: embeddings are made without ${them}.`,
  ];
}

/** @param embeds whether the model does nothing but embed, so that a missing pooling should be known. */
function poolingOf(modules: readonly SentenceModule[], embeds: boolean): Expressed {
  const module = modules.find((candidate) => isModule(candidate, 'Pooling'));
  const modes = module ? poolingModes(module) : [];
  const type = modes.length === 1 ? poolingTypes.get(modes[0]) : undefined;
  if (type !== undefined) return { keyValues: [u32('pooling_type', type)], tensors: [], notes: [] };
  const keyValues = embeds ? [u32('pooling_type', noPooling)] : [];
  if (!module && !embeds) return { keyValues, tensors: [], notes: [] };
  const note = module
    ? said`The pooling of this model (${modes.join(' and ')}) cannot be expressed in GGUF: choose one when you run it.`
    : said`The model has no pooling (modules.json and 1_Pooling of sentence-transformers): llama.cpp makes a vector of each token unless you choose a pooling when you run it.`;
  return { keyValues, tensors: [], notes: [note] };
}

function poolingModes({ config }: SentenceModule): string[] {
  const modes = Object.entries(config)
    .filter(([key, on]) => key.startsWith('pooling_mode_') && on === true)
    .map(([key]) => key);
  const stated = config['pooling_mode'];
  return modes.length > 0 ? modes : [typeof stated === 'string' ? stated : 'none stated'];
}

/** The two layers that llama.cpp multiplies the pooled embedding with: hidden size → any → hidden size, without bias or activation. */
function denseLayersOf(
  { keyValues }: Conversion,
  modules: readonly SentenceModule[],
  tensors: readonly TensorDescriptor[],
): Expressed {
  const steps = modules.filter((module) => !isModule(module, 'Normalize'));
  const [, pooling, first, second] = steps;
  const layers = steps.slice(2);
  const hidden = numberOf(keyValues, 'embedding_length');
  const sizes = layers.map(({ config }) => [config['in_features'], config['out_features']] as const);
  const inner = sizes[0]?.[1];
  const fits =
    sizes.length === 2 && sizes[0]![0] === hidden && sizes[1]![1] === hidden && sizes[1]![0] === inner;
  if (
    !pooling ||
    !isModule(pooling, 'Pooling') ||
    !layers.every(isPlain) ||
    !fits ||
    typeof inner !== 'number'
  )
    return leftOut(
      said`llama.cpp applies exactly two, directly after the pooling, without bias and activation, from the hidden size to another and back`,
    );
  const names = new Set(tensors.map(({ name }) => name));
  const missing = layers.find((layer) => !names.has(moduleTensor(layer, 'linear.weight')));
  if (missing) return leftOut(said`the checkpoint has no weights in ${missing.path} with "linear.weight"`);
  const rule = (module: SentenceModule, name: string, shape: readonly number[]): TensorRule => ({
    to: `${name}.weight`,
    from: [moduleTensor(module, 'linear.weight')],
    shape,
  });
  return {
    keyValues: [...featureKeys('dense_2', hidden, inner), ...featureKeys('dense_3', inner, hidden)],
    tensors: [rule(first!, 'dense_2', [inner, hidden]), rule(second!, 'dense_3', [hidden, inner])],
    notes: [
      said`The dense layers after the pooling (${first!.path}, ${second!.path}) are written as dense_2 and dense_3, so that llama.cpp (since October 2025) gives the embeddings of sentence-transformers.`,
    ],
  };
}

const isPlain = (module: SentenceModule): boolean =>
  isDense(module) &&
  module.config['bias'] === false &&
  /(^|\.)Identity$/.test(String(module.config['activation_function']));

const leftOut = (reason: string): Expressed => ({
  keyValues: [],
  tensors: [],
  notes: [
    said`The dense layers of modules.json are left out, and embeddings are made without them: ${reason}.`,
  ],
});

function numberOf(pairs: readonly KeyValue[], key: string): number {
  const pair = pairs.find((candidate) => candidate.key === key);
  return pair && 'value' in pair ? Number(pair.value) : NaN;
}

const featureKeys = (layer: string, from: number, to: number): KeyValue[] => [
  u32(`${layer}_feat_in`, from),
  u32(`${layer}_feat_out`, to),
];
