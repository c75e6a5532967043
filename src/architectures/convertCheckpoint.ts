import { elementsOf } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { TensorDescriptor } from '../protocol/model';
import { ConfigReader } from './configReader';
import type { ConvertedTensor, Piece } from './convertedTensor';
import type { ComputedTensor, Conversion, RowRange, Size, TensorRule } from './description';
import { architectureFor, refuseQuantized } from './registry';

/** A Hugging Face checkpoint as GGUF has it; nothing but headers was read. */
export interface ConvertedCheckpoint {
  /** `general.architecture`. */
  readonly architecture: string;
  /** Hyper-parameters under their full keys. */
  readonly keyValues: readonly KeyValue[];
  /** In no particular order. */
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  /** How llama.cpp differs from transformers on this model, as sentences. */
  readonly notes: readonly string[];
}

/**
 * Names and arranges every tensor of a checkpoint for GGUF.
 * @param file path of config.json, for errors.
 * @throws QuantscopeError UNSUPPORTED for an architecture, a setting or a tensor that GGUF has no place for; MODEL_FILE when
 * a tensor is missing or its shape disagrees with config.json.
 */
export function convertCheckpoint(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>>,
  file: string,
): ConvertedCheckpoint {
  refuseQuantized(config, file);
  const description = architectureFor(config, file);
  const conversion = description.convert(new ConfigReader(config, file));
  const sources = new Sources(tensors, conversion);
  const converted = conversion.tensors.flatMap((rule) => applyRule(rule, sources, file));
  refuseStrangers(sources, description.name);
  return {
    architecture: description.name,
    keyValues: conversion.keyValues.map((pair) => ({ ...pair, key: `${description.name}.${pair.key}` })),
    tensors: converted,
    computed: conversion.computed ?? [],
    notes: conversion.notes ?? [],
  };
}

/** Tensors of the checkpoint by name without prefix, and which of them were asked for. */
class Sources {
  private readonly byName = new Map<string, TensorDescriptor>();
  private readonly used = new Set<string>();

  constructor(tensors: readonly TensorDescriptor[], { prefixes = [], ignored = [] }: Conversion) {
    for (const tensor of tensors) {
      const prefix = prefixes.find((text) => tensor.name.startsWith(text)) ?? '';
      const name = tensor.name.slice(prefix.length);
      if (!ignored.some((pattern) => pattern.test(name))) this.byName.set(name, tensor);
    }
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

function refuseStrangers(sources: Sources, architecture: string): void {
  const stranger = sources.unused();
  if (!stranger) return;
  const message = `The architecture "${architecture}" of GGUF has no place for this tensor.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: stranger.file, tensor: stranger.name });
}

function applyRule(usual: TensorRule, sources: Sources, file: string): ConvertedTensor[] {
  const { instead } = usual;
  const rule = instead?.from.some((name) => sources.has(name)) ? { ...usual, ...instead } : usual;
  const found = rule.from.map((name) => sources.take(name));
  if (rule.optional && found.every((tensor) => tensor === undefined)) return [];
  const tensors = found.map((tensor, index) => {
    if (tensor) return tensor;
    const message = 'The checkpoint lacks a tensor that config.json calls for.';
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: rule.from[index]! });
  });
  for (const tensor of tensors) checkShape(tensor, rule.sourceShape ?? rule.shape, file);
  const columns = columnsOf(rule, tensors[0]!);
  const pieces = piecesOf(tensors, columns, rule.rows);
  const shape = shapeOf(rule, pieces, columns);
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  if (rows * columns !== elementsOf(shape) || (rule.unit && rows % rule.unit.rows !== 0)) {
    const message = `${rows} rows of ${columns} weights do not make up [${shape.join(', ')}].`;
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
  const message = `The shape is [${shape.join(', ')}], but by config.json it should be [${wanted}].`;
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

/** The parts of pieces that a range of their rows, counted through, covers. */
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
