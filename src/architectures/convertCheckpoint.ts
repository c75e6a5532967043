import { elementsOf } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { SentenceModule } from '../model/sentenceModules';
import type { TensorDescriptor } from '../protocol/model';
import { isBaseClass, listedClass } from './classNames';
import { ConfigReader } from './configReader';
import type { ConvertedTensor, Piece } from './convertedTensor';
import type { ComputedTensor, Conversion, LayerWindow, RowRange, Size, TensorRule } from './description';
import { withDirection } from './direction';
import { withModules } from './embeddingModules';
import { architectureFor, refuseQuantized } from './registry';

/** A Hugging Face checkpoint in GGUF's view; only headers were read. */
export interface ConvertedCheckpoint {
  /** `general.architecture`. */
  readonly architecture: string;
  /** Hyper-parameters under their full keys. */
  readonly keyValues: readonly KeyValue[];
  /** In no particular order. */
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  /** What was chosen or left out, and how llama.cpp differs from transformers on this model, as sentences. */
  readonly notes: readonly string[];
  /** Windows that transformers applies and llama.cpp does not. */
  readonly window?: LayerWindow;
  /** An output matrix that is left out because config.json says that the embedding is the output. */
  readonly tied?: { readonly output: TensorDescriptor; readonly embedding: TensorDescriptor };
}

export interface ConvertOptions {
  /** The steps of an embedding model. */
  readonly modules?: readonly SentenceModule[] | undefined;
  /** Whether the output matrix differs from the embedding; where absent, config.json decides. */
  readonly ownOutput?: boolean;
}

/**
 * Names and arranges every tensor of a checkpoint for GGUF.
 * @param file path of config.json, for errors.
 * @throws QuantscopeError UNSUPPORTED for an architecture, a setting or a tensor that GGUF cannot express; MODEL_FILE when
 * a tensor is missing or its shape contradicts config.json.
 */
export function convertCheckpoint(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>>,
  file: string,
  { ownOutput, modules = [] }: ConvertOptions = {},
): ConvertedCheckpoint {
  refuseQuantized(tensors, file);
  const description = architectureFor(config, file);
  const own = ownOutput ?? (isBaseClass(listedClass(config) ?? '') ? false : undefined);
  const reader = new ConfigReader(config, file, {
    ...sizesOf(tensors),
    ...(own === undefined ? {} : { ownOutput: own }),
  });
  const conversion = withModules(
    withDirection(description.convert(reader), reader),
    modules,
    tensors,
    description,
  );
  const sources = new Sources(tensors, conversion);
  const tied = conversion.tied && sources.leaveOut(conversion.tied);
  const converted: ConvertedTensor[] = [];
  for (const item of conversion.tensors) {
    for (const rule of 'to' in item ? [item] : item) {
      for (const tensor of applyRule(rule, sources, file)) converted.push(tensor);
    }
  }
  refuseStrangers(sources, description.name);
  checkOutput(converted);
  return {
    architecture: description.name,
    keyValues: conversion.keyValues.map((pair) => ({ ...pair, key: `${description.name}.${pair.key}` })),
    tensors: converted,
    computed: conversion.computed ?? [],
    notes: [...(conversion.notes ?? []), ...reader.notes, ...sources.notes(), ...unreadNotes(reader)],
    ...(conversion.window ? { window: conversion.window } : {}),
    ...(tied ? { tied } : {}),
  };
}

function sizesOf(tensors: readonly TensorDescriptor[]) {
  let largestDimension = 0;
  for (const { shape, elements } of tensors) {
    if (elements > 0) for (const size of shape) largestDimension = Math.max(largestDimension, size);
  }
  return { tensors: tensors.length, largestDimension };
}

/** Unknown keys may change what the model computes. */
function unreadNotes(reader: ConfigReader): string[] {
  const keys = reader.unread();
  if (keys.length === 0) return [];
  const listed = keys.slice(0, 8).map((key) => JSON.stringify(key));
  const rest = keys.length > 8 ? ` and ${keys.length - 8} more` : '';
  return [
    `config.json has unknown keys for this architecture: ${listed.join(', ')}${rest}. If they change what the model computes, neither an export nor an evaluation follows them.`,
  ];
}

/** What wrappers of training code put before tensors' names, and between their parts. */
const wrapper =
  /^(module\.|_orig_mod\.|_forward_module\.|_fsdp_wrapped_module\.|base_model\.model\.|language_model\.)+/;
const innerWrapper = /(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** Scales of a cache of keys and values in FP8, as ModelOpt and llm-compressor store them next to weights. */
const cacheScale = /\.(?:[kv]_proj\.)?[qkv]_scale$|\.kv_scale$/;

/** Tensors of the checkpoint by name without prefix, and which of them were used. */
class Sources {
  private readonly byName = new Map<string, TensorDescriptor>();
  private readonly used = new Set<string>();
  private readonly stripped = new Set<string>();
  private cacheScales = 0;

  constructor(tensors: readonly TensorDescriptor[], { prefixes = [], ignored = [] }: Conversion) {
    const withoutPrefix = (name: string): string =>
      name.slice(prefixes.find((text) => name.startsWith(text))?.length ?? 0);
    const names = new Set(tensors.map(({ name }) => withoutPrefix(name)));
    for (const tensor of tensors) {
      const usual = withoutPrefix(tensor.name);
      const [before = ''] = wrapper.exec(usual) ?? [];
      const inside = usual.slice(before.length).match(innerWrapper) ?? [];
      const bare = withoutPrefix(usual.slice(before.length).replaceAll(innerWrapper, ''));
      const name = bare !== usual && !names.has(bare) && !this.byName.has(bare) ? bare : usual;
      if (ignored.some((pattern) => pattern.test(name))) continue;
      if (cacheScale.test(name)) {
        this.cacheScales += 1;
        continue;
      }
      if (name !== usual) for (const part of partsLeftOut(before, inside)) this.stripped.add(part);
      this.byName.set(name, tensor);
    }
  }

  /** What was done to names, as sentences. */
  notes(): string[] {
    const prefixes = [...this.stripped].map(
      (prefix) =>
        `Tensor names contain "${prefix}", which was removed: without it, they are the names of this architecture.`,
    );
    if (this.cacheScales === 0) return prefixes;
    return [
      ...prefixes,
      `${this.cacheScales} scales of a cache of keys and values in FP8 are left out: keys and values are kept in full precision.`,
    ];
  }

  /** An output that is the embedding, where the checkpoint has both. */
  leaveOut({ output: name, embedding: other }: Required<Conversion>['tied']) {
    const [output, embedding] = [this.byName.get(name), this.byName.get(other)];
    if (!output || !embedding) return undefined;
    this.byName.delete(name);
    return { output, embedding };
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  take(name: string): TensorDescriptor | undefined {
    this.used.add(name);
    return this.byName.get(name);
  }

  unused(): TensorDescriptor | undefined {
    return [...this.byName].find(([name]) => !this.used.has(name))?.[1];
  }
}

/** Where neither is left out, the usual prefix was there twice. */
function partsLeftOut(before: string, inside: readonly string[]): readonly string[] {
  if (before === '') return inside.length > 0 ? inside : ['model.'];
  return [before, ...inside];
}

function refuseStrangers(sources: Sources, architecture: string): void {
  const stranger = sources.unused();
  if (!stranger) return;
  const message = `GGUF's architecture "${architecture}" does not have this tensor.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: stranger.file, tensor: stranger.name });
}

/**
 * llama.cpp has one size of vocabulary: that of the embedding.
 * @throws QuantscopeError UNSUPPORTED for an output of another size, which it would not load.
 */
function checkOutput(tensors: readonly ConvertedTensor[]): void {
  const named = (name: string) => tensors.find((tensor) => tensor.name === name);
  const [output, embedding] = [named('output.weight'), named('token_embd.weight')];
  const [rows, tokens] = [output?.shape[0], embedding?.shape[0]];
  if (rows === undefined || tokens === undefined || rows === tokens) return;
  const source = output!.pieces[0]!.tensor;
  const message = `The output has ${rows} rows, but the embedding has ${tokens}: llama.cpp needs the same number of both.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: source.file, tensor: source.name });
}

function applyRule(usual: TensorRule, sources: Sources, file: string): ConvertedTensor[] {
  const { instead } = usual;
  const rule = instead?.from.some((name) => sources.has(name)) ? { ...usual, ...instead } : usual;
  const found = rule.from.map((name) => sources.take(name));
  if (rule.optional && found.every((tensor) => tensor === undefined)) return [];
  const tensors = found.map((tensor, index) => {
    if (tensor) return tensor;
    const message = 'The checkpoint lacks a tensor that config.json requires.';
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: rule.from[index]! });
  });
  for (const tensor of tensors) checkShape(tensor, rule.sourceShape ?? rule.shape, file);
  const columns = columnsOf(rule, tensors[0]!);
  const pieces = piecesOf(tensors, columns, rule.rows);
  const shape = shapeOf(rule, pieces, columns);
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  if (rows * columns !== elementsOf(shape) || (rule.unit && rows % rule.unit.rows !== 0)) {
    const message = `${rows} rows of ${columns} weights do not form [${shape.join(', ')}].`;
    throw new QuantscopeError('INTERNAL', message, { file, tensor: rule.to });
  }
  const { unit, add } = rule;
  return [
    {
      name: rule.to,
      shape,
      columns,
      pieces,
      ...(unit ? { unit } : {}),
      ...(add === undefined ? {} : { add }),
    },
  ];
}

function checkShape({ name, shape }: TensorDescriptor, expected: readonly Size[], file: string): void {
  const fits =
    shape.length === expected.length &&
    shape.every((size, i) => expected[i] === 'any' || size === expected[i]);
  if (fits) return;
  const wanted = expected.map((size) => (size === 'any' ? '…' : size)).join(', ');
  const message = `The shape is [${shape.join(', ')}], but according to config.json it should be [${wanted}].`;
  throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name });
}

/** Entries of a vector are rows of one weight where the rule moves them. */
function columnsOf({ rows, unit, from }: TensorRule, { shape }: TensorDescriptor): number {
  const moved = rows !== undefined || unit !== undefined || from.length > 1;
  return shape.length === 1 && moved ? 1 : (shape[shape.length - 1] ?? 1);
}

function piecesOf(
  tensors: readonly TensorDescriptor[],
  columns: number,
  ranges: readonly RowRange[] | undefined,
): Piece[] {
  const whole = tensors.map((tensor) => ({ tensor, firstRow: 0, rows: tensor.elements / columns }));
  return ranges ? ranges.flatMap((range) => cut(whole, range)) : whole;
}

/** The parts of pieces that a range of their consecutively numbered rows covers. */
function cut(pieces: readonly Piece[], { first, count }: RowRange): Piece[] {
  let start = 0;
  return pieces.flatMap(({ tensor, rows }) => {
    const from = Math.max(first, start);
    const to = Math.min(first + count, start + rows);
    const offset = from - start;
    start += rows;
    return to > from ? [{ tensor, firstRow: offset, rows: to - from }] : [];
  });
}

function shapeOf({ shape }: TensorRule, pieces: readonly Piece[], columns: number): number[] {
  const known = shape.reduce<number>((product, size) => (size === 'any' ? product : product * size), 1);
  const elements = columns * pieces.reduce((sum, { rows }) => sum + rows, 0);
  return shape.map((size) => (size === 'any' ? elements / known : size));
}
