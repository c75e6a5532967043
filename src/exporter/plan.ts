import { join } from 'node:path';
import { dtypeNamed, ggmlRowBytes, ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/openModel';
import { matrixOf } from '../model/rows';
import type { TensorDescriptor } from '../protocol/model';
import type { Plan } from '../protocol/plan';
import { architectureOfLlama, convertLlamaTensors, type ConvertedTensor } from './convert/llama';
import { parseLlamaConfig, type LlamaConfig } from './convert/llamaConfig';
import { architectureOfGguf, type Architecture } from './plan/architecture';
import { encodableTypes, fileTypeIdOfMajority, fileTypeNamed } from './plan/fileTypes';
import { isMixed, mixTypes, type MixedType } from './plan/mixture';
import { compareTensorNames } from './plan/order';

/** A file type by name ("Q4_K_M"), or a plan. */
export type ExportTarget = { readonly type: string } | { readonly plan: Plan };

/** What a dry run needs of a model: its headers. */
export type ModelHeaders = Pick<Model, 'description' | 'folder' | 'config' | 'gguf'>;

/** One tensor of the file to be. */
export interface PlannedTensor {
  readonly name: string;
  /** Where it comes from; absent for one that is computed (`values`). */
  readonly tensor?: TensorDescriptor;
  readonly values?: Float32Array;
  /** Name of the source tensor, or of the file that it is computed from. */
  readonly source: string;
  readonly from: string;
  /** ggml type. */
  readonly to: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly reason: string;
  /** Heads whose rows are interleaved for GGUF's rotary embedding. */
  readonly ropeHeads?: number;
}

/** Everything about an export that is known before a byte is read. */
export interface ExportPlan {
  /** In the order of the output. */
  readonly tensors: readonly PlannedTensor[];
  /** Value of `general.file_type`; for a plan the file type of the type that most weights get. */
  readonly fileTypeId: number;
  /** Sum of the tensors' bytes, without header and padding. */
  readonly dataBytes: number;
  readonly parameters: number;
  /** 8 · dataBytes / parameters. */
  readonly bitsPerWeight: number;
  /** Present for a checkpoint that is converted. */
  readonly llama?: LlamaConfig;
}

/**
 * Plans an export: which tensors the file will hold, in which type, in which order, and why.
 * @throws QuantscopeError UNSUPPORTED for an architecture or a type that cannot be exported, REQUEST for a plan that does
 * not fit the model, MODEL_FILE for a checkpoint that disagrees with itself.
 */
export function planExport(model: ModelHeaders, target: ExportTarget): ExportPlan {
  const { missingFiles, path } = model.description;
  if (missingFiles.length > 0)
    throw new QuantscopeError('REQUEST', `Shards are missing: ${missingFiles.slice(0, 5).join(', ')}.`, {
      file: path,
    });
  const { tensors, computed, architecture, llama } = sourceOf(model);
  const sorted = [...tensors].sort((a, b) => compareTensorNames(a.name, b.name));
  const types =
    'plan' in target
      ? plannedTypes(target.plan, sorted, model)
      : mixTypes(
          sorted.map(({ name, tensor }) => ({ name, shape: tensor.shape })),
          fileTypeNamed(target.type),
          architecture,
        );
  const planned = [...sorted.map((source) => planTensor(source, types.get(source.name), model)), ...computed];
  planned.sort((a, b) => compareTensorNames(a.name, b.name));
  const dataBytes = planned.reduce((sum, { bytes }) => sum + bytes, 0);
  const parameters = planned.reduce((sum, { shape }) => sum + product(shape), 0);
  return {
    tensors: planned,
    fileTypeId: 'plan' in target ? fileTypeIdOfMajority(majority(planned)) : fileTypeNamed(target.type).id,
    dataBytes,
    parameters,
    bitsPerWeight: (8 * dataBytes) / parameters,
    ...(llama ? { llama } : {}),
  };
}

interface Source {
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly PlannedTensor[];
  readonly architecture: Architecture;
  readonly llama?: LlamaConfig;
}

/** The model's tensors under their GGUF names. */
function sourceOf({ description, gguf, config, folder }: ModelHeaders): Source {
  if (gguf) {
    const tensors = description.tensors.map((tensor) => ({ name: tensor.name, tensor }));
    return { tensors, computed: [], architecture: architectureOfGguf(gguf) };
  }
  const file = join(folder, 'config.json');
  if (!config)
    throw new QuantscopeError(
      'REQUEST',
      'The export needs the config.json of the checkpoint beside its weights.',
      { file },
    );
  const llama = parseLlamaConfig(config, file);
  const tensors = convertLlamaTensors(description.tensors, llama, file);
  return { tensors, computed: ropeFactors(llama), architecture: architectureOfLlama(llama), llama };
}

/** llama.cpp finds the divisors of rotary frequencies in a tensor of this name. */
function ropeFactors({ ropeScaling }: LlamaConfig): PlannedTensor[] {
  if (ropeScaling.kind !== 'factors') return [];
  const { factors } = ropeScaling;
  return [
    {
      name: 'rope_freqs.weight',
      values: factors,
      source: 'config.json',
      from: 'F32',
      to: 'F32',
      shape: [factors.length],
      bytes: factors.byteLength,
      reason: 'rope scaling of config.json',
    },
  ];
}

/** Types that a plan gives, by GGUF name; matrices that it does not list become F16. */
function plannedTypes(
  plan: Plan,
  tensors: readonly ConvertedTensor[],
  model: ModelHeaders,
): ReadonlyMap<string, MixedType> {
  const assigned = new Map(plan.assignments.map(({ tensor, format }) => [tensor, format]));
  const known = new Set(model.description.tensors.map(({ name }) => name));
  const stranger = plan.assignments.find(({ tensor }) => !known.has(tensor));
  if (stranger)
    throw new QuantscopeError('REQUEST', 'The plan names a tensor that the model does not have.', {
      file: model.description.path,
      tensor: stranger.tensor,
    });
  const types = new Map<string, MixedType>();
  for (const { name, tensor } of tensors) {
    const format = assigned.get(tensor.name);
    if (format !== undefined) types.set(name, { type: checkFormat(format, tensor), reason: 'plan' });
    else if (isMixed({ name, shape: tensor.shape }) && !isQuantized(tensor.dtype))
      types.set(name, { type: 'F16', reason: 'not in the plan' });
  }
  return types;
}

function checkFormat(format: string, tensor: TensorDescriptor): string {
  const place = { tensor: tensor.name };
  const block = ggmlType(format)?.block;
  if (block === undefined || !encodableTypes.has(format)) {
    const known = [...encodableTypes].join(', ');
    throw new QuantscopeError(
      'REQUEST',
      `The plan's format "${format}" does not exist in GGUF; it can hold ${known}.`,
      place,
    );
  }
  const columns = tensor.shape[tensor.shape.length - 1] ?? 1;
  if (columns % block === 0) return format;
  throw new QuantscopeError(
    'REQUEST',
    `The plan asks for ${format}, but rows of ${columns} weights are not whole blocks of ${block}.`,
    place,
  );
}

function planTensor(
  source: ConvertedTensor,
  mixed: MixedType | undefined,
  model: ModelHeaders,
): PlannedTensor {
  const { name, tensor, ropeHeads } = source;
  const kept: MixedType = model.gguf
    ? { type: tensor.dtype, reason: 'copied unchanged' }
    : { type: 'F32', reason: 'kept in full precision' };
  const { type, reason } = mixed ?? kept;
  checkConvertible(tensor, type);
  const { rows, columns } = matrixOf(tensor.shape);
  return {
    name,
    tensor,
    source: tensor.name,
    from: tensor.dtype,
    to: type,
    shape: tensor.shape,
    bytes: rows * ggmlRowBytes(type, columns),
    reason,
    ...(ropeHeads === undefined ? {} : { ropeHeads }),
  };
}

/** A tensor that keeps its type is copied, whatever it is; any other must be decoded and encoded. */
function checkConvertible(tensor: TensorDescriptor, to: string): void {
  if (tensor.dtype === to) return;
  const unsupported = (message: string): QuantscopeError =>
    new QuantscopeError('UNSUPPORTED', message, { file: tensor.file, tensor: tensor.name });
  if (isQuantized(tensor.dtype))
    throw unsupported(
      `The tensor is already quantized to ${tensor.dtype}; requantizing it to ${to} would add up errors. Export from an F16, BF16 or F32 file.`,
    );
  if (!tensor.readable || dtypeNamed(tensor.dtype)?.float !== true)
    throw unsupported(
      tensor.unreadableReason ?? `${tensor.dtype} does not hold weights that can be converted.`,
    );
  if (!encodableTypes.has(to))
    throw unsupported(`The tensor would need the type ${to}, which cannot be encoded yet.`);
}

const isQuantized = (dtype: string): boolean => (ggmlType(dtype)?.block ?? 1) > 1;

/** The type that most weights get. */
function majority(tensors: readonly PlannedTensor[]): string {
  const weights = new Map<string, number>();
  for (const { to, shape } of tensors) weights.set(to, (weights.get(to) ?? 0) + product(shape));
  return [...weights].reduce((most, entry) => (entry[1] > most[1] ? entry : most), ['F32', 0])[0];
}

const product = (shape: readonly number[]): number => shape.reduce((value, size) => value * size, 1);
