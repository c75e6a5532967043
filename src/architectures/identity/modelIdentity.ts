import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { defined } from '../../protocol/defined';
import { greatestOf, leastOf } from '../../protocol/extremes';
import type { ModelDescription } from '../../protocol/model';
import {
  identityNumbers,
  type DtypeShare,
  type IdentityNumber,
  type IdentitySource,
  type ModelIdentity,
  type Span,
} from '../../protocol/overview';
import { ggufHeader, type GgufHeader, type ModelHeaders } from '../ggufView';
import { numberRows } from './numbers';

type Found = readonly [value: Span, source: IdentitySource];
type Tensors = ModelDescription['tensors'];

/**
 * What a model is: by the key-values that its GGUF file has or would have, else by its configuration, else by names and shapes of its
 * tensors. Reads no weights.
 */
export function modelIdentity(model: ModelHeaders): ModelIdentity {
  const { description, config, gguf } = model;
  const header = headerIfKnown(model);
  const text = languagePart(config);
  const facts = new Map<IdentityNumber, Found>();
  for (const name of identityNumbers) {
    const found = numberOf(name, {
      header,
      config: text,
      tensors: description.tensors,
      isGguf: gguf !== undefined,
    });
    if (found) facts.set(name, found);
  }
  const numbers = Object.fromEntries([...facts].map(([name, [value]]) => [name, value]));
  return defined<ModelIdentity>({
    ...numbers,
    family: description.architecture ?? (header?.architecture || undefined),
    className: firstText(config?.['architectures']),
    ropeScaling: scalingOf(header, text),
    tied: tiedOf(description.tensors, config, text),
    dtypes: dtypesOf(description.tensors),
    sources: Object.fromEntries([...facts].map(([name, [, source]]) => [name, source])),
  });
}

/** The model's hyper-parameters in GGUF's terms; undefined where it has none of them. */
function headerIfKnown(model: ModelHeaders): GgufHeader | undefined {
  try {
    return ggufHeader(model);
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'INTERNAL') return undefined;
    throw error;
  }
}

/** The part of a configuration that describes the language model. */
function languagePart(config: ModelHeaders['config']): Readonly<Record<string, unknown>> | undefined {
  const inner = config?.['text_config'] ?? config?.['llm_config'] ?? config?.['language_config'];
  return isRecord(inner) ? inner : config;
}

interface Sources {
  readonly header: GgufHeader | undefined;
  /** Whether the header is that of a file. */
  readonly isGguf: boolean;
  readonly config: Readonly<Record<string, unknown>> | undefined;
  readonly tensors: Tensors;
}

function numberOf(name: IdentityNumber, { header, isGguf, config, tensors }: Sources): Found | undefined {
  const { key, config: keys } = numberRows[name];
  const full = `${header?.architecture}.${key}`;
  const stated = spanOf(header?.list(full) ?? header?.value(full));
  if (stated !== undefined) return [stated, isGguf ? 'keys' : 'config'];
  const configured = keys.map((each) => spanOf(config?.[each])).find((span) => span !== undefined);
  if (configured !== undefined) return [configured, 'config'];
  const shown = fromTensors[name]?.(tensors);
  return shown === undefined ? undefined : [shown, 'tensors'];
}

/** A positive number, or the least and most of a list of them. Zeros in a list are layers without the thing. */
function spanOf(stated: unknown): Span | undefined {
  const list: readonly unknown[] = Array.isArray(stated) ? stated : [stated];
  const values = list
    .map((value) => (typeof value === 'bigint' ? Number(value) : value))
    .filter((value): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0);
  if (values.length === 0) return undefined;
  const [least, most] = [leastOf(values), greatestOf(values)];
  return least === most ? least : [least, most];
}

const embedding = /(^|\.)(embed_tokens|token_embd|wte|word_embeddings|embed_in|tok_embeddings)\.weight$/;
const output = /(^|\.)(lm_head|output|embed_out)\.weight$/;
const layer = /(?:^|\.)(?:layers|blk|h|blocks|layer)\.(\d+)\./;

/** What names and shapes show without any key. */
const fromTensors: Partial<Readonly<Record<IdentityNumber, (tensors: Tensors) => number | undefined>>> = {
  layers: (tensors) => {
    const last = greatestOf(tensors.map(({ name }) => Number(layer.exec(name)?.[1] ?? -1)));
    return last < 0 ? undefined : last + 1;
  },
  hidden: (tensors) => embeddingOf(tensors)?.shape[1],
  vocabulary: (tensors) => embeddingOf(tensors)?.shape[0],
};

const embeddingOf = (tensors: Tensors) =>
  tensors.find(({ name, shape }) => shape.length === 2 && embedding.test(name));

function tiedOf(
  tensors: Tensors,
  config: ModelHeaders['config'],
  text: ModelHeaders['config'],
): boolean | undefined {
  if (!embeddingOf(tensors)) return undefined;
  const hasOutput = tensors.some(({ name }) => output.test(name));
  const stated = config?.['tie_word_embeddings'] ?? text?.['tie_word_embeddings'];
  return stated === true || !hasOutput;
}

/** "yarn × 4". Linear scaling by 1 is none. */
function scalingOf(header: GgufHeader | undefined, config: ModelHeaders['config']): string | undefined {
  const stated = config?.['rope_scaling'] ?? config?.['rope_parameters'];
  const scaling = isRecord(stated) ? stated : {};
  const kind =
    header?.value(`${header.architecture}.rope.scaling.type`) ?? scaling['rope_type'] ?? scaling['type'];
  const factor = header?.value(`${header.architecture}.rope.scaling.factor`) ?? scaling['factor'];
  if (typeof kind !== 'string' || ['none', 'default'].includes(kind)) return undefined;
  return typeof factor === 'number' ? `${kind} × ${Number(factor.toPrecision(4))}` : kind;
}

const firstText = (value: unknown): string | undefined =>
  Array.isArray(value) && typeof value[0] === 'string' ? value[0] : undefined;

function dtypesOf(tensors: Tensors): DtypeShare[] {
  const shares = new Map<string, { tensors: number; parameters: number; bytes: number }>();
  for (const { dtype, elements, byteLength } of tensors) {
    const share = shares.get(dtype) ?? { tensors: 0, parameters: 0, bytes: 0 };
    shares.set(dtype, share);
    share.tensors += 1;
    share.parameters += elements;
    share.bytes += byteLength;
  }
  return [...shares].map(([dtype, share]) => ({ dtype, ...share })).sort((a, b) => b.bytes - a.bytes);
}
