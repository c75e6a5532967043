import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parsePlan } from '../../ampq/planFile';
import { sourceDtype, sourcesOf, type ConvertedTensor } from '../../architectures/convertedTensor';
import { ggufView } from '../../architectures/ggufView';
import { planExport } from '../../exporter/plan';
import { isMixed } from '../../exporter/plan/mixed';
import type { WeightChange } from '../../graph/transformer/weights';
import { reason } from '../../model/byteSource';
import { dtypeNamed, ggmlType } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import { importanceOf, readImatrix, type Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/openModel';
import { matrixOf } from '../../model/rows';
import type { WeightVariant } from '../../protocol/evaluation';
import type { Plan } from '../../protocol/plan';
import { formatById } from '../../quant/catalogue';
import type { QuantFormat } from '../../quant/format';

/** What becomes of a model's weights, and how large they are then. */
export interface PlannedVariant {
  /** "original", "Q4_K_M", "tiny.ampq.json": what the results are called. */
  readonly label: string;
  /** By the tensors' names in GGUF. */
  readonly changes: ReadonlyMap<string, WeightChange>;
  /** Of all tensors. */
  readonly bytes: number;
  readonly parameters: number;
}

/**
 * The changes that a variant makes.
 * @throws QuantscopeError REQUEST for more than one variant, an unknown format or type, or a plan of another model.
 */
export async function planVariant(
  model: Model,
  variant: WeightVariant & { readonly imatrix?: string },
  signal: AbortSignal,
): Promise<PlannedVariant> {
  const { planFile, type, format } = variant;
  if ([planFile, type, format].filter((item) => item !== undefined).length > 1)
    throw new QuantscopeError('REQUEST', 'Name a plan, a file type or a format, not several of them.');
  const imatrix = variant.imatrix === undefined ? undefined : await readImatrix(variant.imatrix, signal);
  if (type !== undefined) return variantOfType(model, type, imatrix);
  if (planFile !== undefined) {
    const formatOf = plannedFormats(await readPlan(planFile), model);
    return variantOfFormats(model, basename(planFile), formatOf, imatrix);
  }
  if (format === undefined) return variantOfFormats(model, 'original', () => undefined, imatrix);
  const only = formatById(format);
  const fits = (tensor: ConvertedTensor): boolean =>
    tensor.name.startsWith('blk.') && isMixed(tensor) && refusalOf(only, tensor, imatrix) === undefined;
  return variantOfFormats(model, only.id, (tensor) => (fits(tensor) ? only : undefined), imatrix);
}

/** As an export of this type would store each tensor. */
function variantOfType(model: Model, type: string, imatrix: Imatrix | undefined): PlannedVariant {
  const target = { type, allowRequantize: true, ...(imatrix ? { imatrix } : {}) };
  const plan = planExport(model, target);
  const changes = new Map<string, WeightChange>();
  for (const { name, to, converted, importance } of plan.tensors) {
    if (!converted || to === 'F32' || sourceDtype(converted) === to) continue;
    changes.set(name, { format: formatById(to), ...(importance ? { importance } : {}) });
  }
  return { label: plan.fileType.name, changes, bytes: plan.dataBytes, parameters: plan.parameters };
}

function variantOfFormats(
  model: Model,
  label: string,
  formatOf: (tensor: ConvertedTensor) => QuantFormat | undefined,
  imatrix: Imatrix | undefined,
): PlannedVariant {
  const changes = new Map<string, WeightChange>();
  let bytes = 0;
  let parameters = 0;
  for (const tensor of ggufView(model).tensors) {
    const elements = tensor.shape.reduce((product, size) => product * size, 1);
    parameters += elements;
    const format = formatOf(tensor);
    bytes += format ? format.bytes(tensor.shape) : storedBytes(tensor, elements);
    if (!format) continue;
    const refusal = refusalOf(format, tensor, imatrix);
    if (refusal !== undefined) throw new QuantscopeError('REQUEST', refusal, { tensor: tensor.name });
    const importance = imatrix && importanceFor(imatrix, tensor);
    changes.set(tensor.name, { format, ...(importance ? { importance } : {}) });
  }
  return { label, changes, bytes, parameters };
}

/** Why a tensor cannot be stored in a format; importance weights make up for what a format lacks without them. */
function refusalOf(
  format: QuantFormat,
  tensor: ConvertedTensor,
  imatrix: Imatrix | undefined,
): string | undefined {
  const refusal = format.refuse(tensor.shape);
  if (refusal === undefined || !imatrix || !importanceFor(imatrix, tensor)) return refusal;
  const { columns } = matrixOf(tensor.shape);
  return columns % format.rowMultiple === 0 ? undefined : refusal;
}

function importanceFor(imatrix: Imatrix, { name, shape }: ConvertedTensor): Float32Array | undefined {
  const { columns } = matrixOf(shape);
  return importanceOf(imatrix, name, columns, shape.length > 2 ? shape[0]! : 1);
}

function storedBytes(tensor: ConvertedTensor, elements: number): number {
  const dtype = sourceDtype(tensor) ?? 'F32';
  const bits = (ggmlType(dtype) ?? dtypeNamed(dtype))?.bitsPerBlock ?? 32;
  return (elements * bits) / (8 * (ggmlType(dtype)?.block ?? 1));
}

/** The format that a plan gives a tensor; of merged tensors (experts) the widest of their parts. */
function plannedFormats({ assignments }: Plan, { description }: Model) {
  const known = new Set(description.tensors.map(({ name }) => name));
  const stranger = assignments.find(({ tensor }) => !known.has(tensor));
  if (stranger)
    throw new QuantscopeError('REQUEST', 'The plan names a tensor that the model does not have.', {
      file: description.path,
      tensor: stranger.tensor,
    });
  const formats = new Map(assignments.map(({ tensor, format }) => [tensor, formatById(format)]));
  return (tensor: ConvertedTensor): QuantFormat | undefined =>
    sourcesOf(tensor)
      .flatMap(({ name }) => formats.get(name) ?? [])
      .sort((a, b) => b.bitsPerWeight(tensor.shape) - a.bitsPerWeight(tensor.shape))[0];
}

/** @throws QuantscopeError IO, or MODEL_FILE for what is no plan. */
export async function readPlan(file: string): Promise<Plan> {
  try {
    return parsePlan(await readFile(file, 'utf8'), file);
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError('IO', `The plan cannot be read: ${reason(cause)}`, { file }, cause);
  }
}
