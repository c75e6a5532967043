import { elementsOf } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { GgufFile } from '../../model/gguf';
import type { Model } from '../../model/model';
import type { SentenceModule } from '../../model/sentenceModules';
import { greatestOf } from '../../protocol/extremes';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import { ConfigReader } from '../configReader';
import { poolingModules } from '../embeddingModules';
import { convertCheckpoint, type ConvertedCheckpoint } from '../convertCheckpoint';
import type { ArchitectureDescription, Conversion, Size, TensorRule } from '../description';
import { architectures } from '../registry';
import { sameWeights } from '../sameWeights';
import type { ConfigRow } from './configRow';
import { configRows } from './configRows';
import { GgufFacts } from './ggufFacts';
import { invertTensors, type RestoredTensor } from './invertTensors';
import type { Fields } from './ropeFields';
import { requireSameKeys } from './sameKeys';

/** A checkpoint of transformers that exports to a GGUF file. */
export interface RestoredCheckpoint {
  /** For config.json, but for the dtype. */
  readonly config: Fields;
  /** Steps of an embedding model; none for others. */
  readonly modules: readonly SentenceModule[];
  readonly tensors: readonly RestoredTensor[];
}

/** Tensors of float32 that follow from a configuration are read to find it: no more weights than this each. */
const maxSmall = 1 << 16;

/** Tensors outside the part of a class that its name has a prefix for. */
const heads = /^(?:lm_head|embed_out)\./;

/**
 * The checkpoint that a GGUF file can have been made from: a config.json that leads to the same key-values, and the tensors under its names.
 * Reads headers, the few small tensors that follow from a configuration, and output and embedding where both are there.
 * @throws QuantscopeError UNSUPPORTED naming what has no inverse: an architecture, a key-value or a tensor.
 */
export async function restoreCheckpoint(model: Model, signal?: AbortSignal): Promise<RestoredCheckpoint> {
  const { gguf, description } = model;
  const byName = new Map(description.tensors.map((tensor) => [tensor.name, tensor]));
  const [output, embedding] = [byName.get('output.weight'), byName.get('token_embd.weight')];
  const repeats = output && embedding ? await sameWeights(model, output, embedding, signal) : false;
  const small = await smallTensors(model, signal);
  const attempts: (() => RestoredCheckpoint)[] = [];
  // Some architectures have a copy of the embedding as output: only then a tied checkpoint gives the same tensors.
  for (const isTied of repeats ? [true, false] : [output === undefined]) {
    const facts = new GgufFacts(gguf!, description.tensors, isTied, small);
    const copies = new Set(isTied && output ? ['output.weight'] : []);
    for (const row of rowsFor(facts, description.path))
      attempts.push(() => restored({ model, gguf: gguf!, byName, facts, row, copies, small }));
  }
  let first: unknown;
  for (const attempt of attempts) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof QuantscopeError)) throw error;
      first ??= error;
    }
  }
  throw first;
}

/** Architectures of which transformers has no class for the language part alone. */
const seeing = /^qwen[23]vl/;

/** The rows of configurations for an architecture. @throws QuantscopeError UNSUPPORTED where there is none. */
function rowsFor(facts: GgufFacts, file: string): ConfigRow[] {
  const ofArchitecture = configRows.filter((row) => descriptionOf(row).name === facts.architecture);
  const rows = ofArchitecture.filter((row) => row.fits?.(facts) ?? true);
  if (rows.length > 0) return rows;
  const reason = seeing.test(facts.architecture)
    ? said`, whose classes have a vision part that the file lacks`
    : '';
  throw new QuantscopeError(
    'UNSUPPORTED',
    said`No config.json can be made for the architecture "${facts.architecture}"${reason}. Names as in GGUF need none (--names gguf).`,
    { file },
  );
}

const descriptionOf = ({ className, architecture }: ConfigRow): ArchitectureDescription =>
  architectures.find(
    ({ classes, name }) => Object.hasOwn(classes, className) && (architecture ?? name) === name,
  )!;

interface Attempt {
  readonly model: Model;
  readonly gguf: GgufFile;
  readonly byName: ReadonlyMap<string, TensorDescriptor>;
  readonly facts: GgufFacts;
  readonly row: ConfigRow;
  /** Tensors that repeat another one. */
  readonly copies: ReadonlySet<string>;
  readonly small: ReadonlyMap<string, Float32Array>;
}

function restored({ model, gguf, byName, facts, row, copies, small }: Attempt): RestoredCheckpoint {
  const { path: file } = model.description;
  const config = configOf(facts, row);
  const sources = sourcesFor(config, row, byName, file);
  const modules = poolingModules(facts.number('pooling_type'), facts.number('embedding_length'));
  const converted = convertCheckpoint(sources, config, file, { modules });
  requireSameTensors(converted, byName, small);
  requireSameKeys(gguf, converted.keyValues, facts, row.className, file);
  return { config, modules, tensors: invertTensors(converted.tensors, byName, copies, row.unused) };
}

function configOf(facts: GgufFacts, row: ConfigRow): Record<string, unknown> {
  const { className } = row;
  const { classes, embeds } = descriptionOf(row);
  const all: Fields = {
    architectures: [className],
    model_type: classes[className],
    ...row.fields(facts),
    is_causal: embeds ? undefined : facts.flag('attention.causal'),
    vocab_size: facts.rows('token_embd.weight'),
    tie_word_embeddings: facts.isTied,
    bos_token_id: facts.token('bos'),
    eos_token_id: facts.token('eos'),
    pad_token_id: facts.token('padding'),
  };
  const stated = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.fromEntries(stated.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Tensors of the checkpoint of which names and shapes are known: those of the rules that made the tensors of the file. */
function sourcesFor(
  config: Fields,
  row: ConfigRow,
  byName: ReadonlyMap<string, TensorDescriptor>,
  file: string,
): TensorDescriptor[] {
  const sizes = [...byName.values()].flatMap(({ shape }) => shape);
  // Each block has a tensor in the file as well.
  const facts = { tensors: byName.size, largestDimension: greatestOf(sizes) };
  const conversion = descriptionOf(row).convert(new ConfigReader(config, file, facts));
  const prefix = row.prefix ?? shortestPrefix(conversion);
  const sources = new Map<string, TensorDescriptor>();
  for (const item of conversion.tensors)
    for (const usual of 'to' in item ? [item] : item) {
      const rule = row.isFused && usual.instead ? { ...usual, ...usual.instead } : usual;
      const tensor = byName.get(rule.to);
      if (!tensor) continue; // the conversion says where it is needed
      for (const bare of rule.from) {
        const name = heads.test(bare) ? bare : `${prefix}${bare}`;
        if (!sources.has(name)) sources.set(name, sourceOf(name, shapeOf(rule, tensor), tensor.file));
      }
    }
  return [...sources.values()];
}

const shortestPrefix = ({ prefixes = [] }: Conversion): string =>
  [...prefixes].sort((a, b) => a.length - b.length)[0] ?? '';

/** The shape of each source of a rule; an open size is what the tensor of the file leaves for it. */
function shapeOf({ from, shape, sourceShape, rows, unit }: TensorRule, tensor: TensorDescriptor): number[] {
  const sizes: readonly Size[] = sourceShape ?? shape;
  if (!sizes.includes('any')) return sizes as number[];
  if (from.length > 1 || rows || unit)
    throw new QuantscopeError('UNSUPPORTED', said`The shape of its sources does not follow from the file.`, {
      ...{ file: tensor.file, tensor: tensor.name },
    });
  const known = sizes.reduce<number>((product, size) => (size === 'any' ? product : product * size), 1);
  return sizes.map((size) => (size === 'any' ? tensor.elements / known : size));
}

function sourceOf(name: string, shape: readonly number[], file: string): TensorDescriptor {
  const elements = elementsOf(shape) ?? 0;
  return { name, dtype: 'F32', shape, elements, file, offset: 0, byteLength: 4 * elements, readable: true };
}

/** @throws QuantscopeError UNSUPPORTED naming a tensor that the checkpoint would not give, or would give other values. */
function requireSameTensors(
  { tensors, computed }: ConvertedCheckpoint,
  byName: ReadonlyMap<string, TensorDescriptor>,
  small: ReadonlyMap<string, Float32Array>,
): void {
  const given = new Set(tensors.map(({ name }) => name));
  const values = new Map(computed.map(({ to, values: numbers }) => [to, numbers]));
  for (const { name, file, offset } of byName.values()) {
    if (given.has(name)) continue;
    const wanted = values.get(name);
    if (wanted && String(wanted) === String(small.get(name))) continue;
    const message = wanted
      ? said`No settings of a config.json are known that lead to the values of this tensor.`
      : said`No rule of the architecture leads to this tensor.`;
    throw new QuantscopeError('UNSUPPORTED', said`${message} Names as in GGUF need none (--names gguf).`, {
      ...{ file, tensor: name, offset },
    });
  }
}

/** Values of the tensors that descriptions compute. */
async function smallTensors(model: Model, signal?: AbortSignal): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const tensor of model.description.tensors) {
    if (!/^rope_/.test(tensor.name) || tensor.dtype !== 'F32' || tensor.elements > maxSmall) continue;
    const bytes = await model.read(tensor, 0, tensor.byteLength, signal);
    found.set(tensor.name, new Float32Array(bytes.slice().buffer));
  }
  return found;
}
