import type { TensorDescriptor } from '../protocol/model';
import { elementsOf, ggmlRowBytes, ggmlType } from './dtypes';
import { isRecord } from './json';
import { matrixOf } from './rows';

/** Key of the metadata that says how the tensors of a file were quantized. */
export const savedTensorsKey = 'quantscope.tensors';

/** How one of them was quantized: a format of the catalogue and, for a type of ggml, that type. */
export interface SavedTensor {
  readonly format: string;
  readonly type?: string;
  /** Of the weights, outermost dimension first. */
  readonly shape: readonly number[];
}

export const scaleSuffix = '_scale';
export const zeroSuffix = '_zero';

/**
 * The tensors of a safetensors file as they were before they were quantized: codes, scales and zero points are one tensor in the format
 * that the metadata names. What does not match its description is left unchanged, with a warning.
 * @param metadata `__metadata__` of the file.
 */
export function describeSaved(
  tensors: readonly TensorDescriptor[],
  metadata: unknown,
): { tensors: readonly TensorDescriptor[]; warnings: readonly string[] } {
  const text = isRecord(metadata) ? metadata[savedTensorsKey] : undefined;
  if (text === undefined) return { tensors, warnings: [] };
  const saved = parseSaved(text);
  if (!saved)
    return {
      tensors,
      warnings: [`${savedTensorsKey} in __metadata__ cannot be read: tensors are shown as stored.`],
    };
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const replaced = new Map<string, TensorDescriptor | undefined>();
  const warnings: string[] = [];
  for (const [name, description] of saved) {
    const codes = byName.get(name);
    const [scales, zeros] = [byName.get(name + scaleSuffix), byName.get(name + zeroSuffix)];
    const whole =
      codes &&
      (description.type === undefined
        ? joined(codes, scales, zeros, description)
        : typed(codes, description));
    if (!whole) {
      warnings.push(`"${name}" does not match ${savedTensorsKey}: it is shown as stored.`);
      continue;
    }
    replaced.set(name, whole);
    if (!whole.encoded) continue;
    if (whole.encoded.scales > 0) replaced.set(name + scaleSuffix, undefined);
    if (whole.encoded.zeros > 0) replaced.set(name + zeroSuffix, undefined);
  }
  const described = tensors.flatMap((tensor) =>
    replaced.has(tensor.name) ? (replaced.get(tensor.name) ?? []) : tensor,
  );
  return { tensors: described, warnings };
}

function parseSaved(text: unknown): Map<string, SavedTensor> | undefined {
  let value: unknown;
  try {
    value = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value);
  return entries.every((entry): entry is [string, SavedTensor] => isSaved(entry[1]))
    ? new Map(entries)
    : undefined;
}

function isSaved(value: unknown): value is SavedTensor {
  if (!isRecord(value)) return false;
  const { format, type, shape } = value;
  return (
    typeof format === 'string' &&
    (type === undefined || typeof type === 'string') &&
    Array.isArray(shape) &&
    shape.every((size) => Number.isSafeInteger(size) && (size as number) > 0)
  );
}

/** Codes of a ggml type hold everything: they are a tensor of that type. */
function typed(codes: TensorDescriptor, { type, shape }: SavedTensor): TensorDescriptor | undefined {
  const elements = elementsOf(shape);
  const { rows, columns } = matrixOf(shape);
  const known = ggmlType(type!);
  if (!known || elements === undefined || columns % known.block !== 0) return undefined;
  if (rows * ggmlRowBytes(type!, columns) !== codes.byteLength) return undefined;
  return { ...codes, dtype: type!, shape, elements };
}

/** Codes with the scales and zero points that follow them in the file. */
function joined(
  codes: TensorDescriptor,
  scales: TensorDescriptor | undefined,
  zeros: TensorDescriptor | undefined,
  { format, shape }: SavedTensor,
): TensorDescriptor | undefined {
  const elements = elementsOf(shape);
  if (elements === undefined) return undefined;
  let end = codes.offset + codes.byteLength;
  for (const part of [scales, zeros]) {
    if (!part) continue;
    if (part.dtype !== 'F32' || part.offset !== end || part.file !== codes.file) return undefined;
    end += part.byteLength;
  }
  const encoded = {
    codes: codes.byteLength,
    scales: scales?.byteLength ?? 0,
    zeros: zeros?.byteLength ?? 0,
  };
  const parts = [codes, ...(scales ? [scales] : []), ...(zeros ? [zeros] : [])];
  const missing = parts.find(({ readable }) => !readable);
  return {
    ...codes,
    ...{ dtype: format, shape, elements, byteLength: end - codes.offset, encoded },
    ...(missing
      ? { readable: false, unreadableReason: missing.unreadableReason ?? 'It cannot be read.' }
      : {}),
  };
}
