import { elementsOf, ggmlRowBytes, ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import { loadNative } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { formatById } from '../quant/catalogue';
import { parameterCount, rowLayout } from '../quant/layout';
import {
  storedWeight,
  type Block,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';

/** Key of a file's metadata that says how its tensors were quantized. */
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
 * How *Quantize Layer* saves tensors: `NAME` holds codes, `NAME_scale` and `NAME_zero` float32 values as the format has them, and the file's
 * metadata names the formats. A ggml type is one tensor of blocks. What does not match its description is left as stored, with a warning.
 */
export const quantscope: Layout = { id: 'quantscope', cutsRows: true, find, decoder };

function find({ tensors, metadataOfFiles }: StoredContent): Found {
  const weights: { weight: TensorDescriptor; parts: readonly TensorDescriptor[] }[] = [];
  const warnings: string[] = [];
  const files = new Set<string>();
  for (const [file, entries] of metadataOfFiles) {
    const text = entries[savedTensorsKey];
    if (text === undefined) continue;
    files.add(file);
    const saved = parseSaved(text);
    if (!saved) {
      warnings.push(`${savedTensorsKey} in __metadata__ cannot be read: tensors are shown as stored.`);
      continue;
    }
    const byName = new Map(
      tensors.filter((tensor) => tensor.file === file).map((tensor) => [tensor.name, tensor]),
    );
    for (const [name, description] of saved) {
      const parts = [byName.get(name), byName.get(name + scaleSuffix), byName.get(name + zeroSuffix)];
      const weight =
        description.type === undefined ? joined(name, parts, description) : typed(parts, description);
      if (weight) weights.push({ weight, parts: parts.filter((part) => part !== undefined) });
      else warnings.push(`"${name}" does not match ${savedTensorsKey}: it is shown as stored.`);
    }
  }
  return { weights, warnings, files };
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

type Parts = readonly (TensorDescriptor | undefined)[];

/** Codes of a ggml type hold everything: they are a tensor of that type. */
function typed([codes]: Parts, { type, shape }: SavedTensor): TensorDescriptor | undefined {
  const elements = elementsOf(shape);
  const { rows, columns } = matrixOf(shape);
  const known = ggmlType(type!);
  if (!codes || !known || elements === undefined || columns % known.block !== 0) return undefined;
  if (rows * ggmlRowBytes(type!, columns) !== codes.byteLength) return undefined;
  return { ...codes, dtype: type!, shape, elements };
}

const roles = ['codes', 'scales', 'zeros'] as const;

function joined(name: string, parts: Parts, { format, shape }: SavedTensor): TensorDescriptor | undefined {
  const [codes, ...parameters] = parts;
  if (!codes || parameters.some((part) => part && part.dtype !== 'F32')) return undefined;
  const present = roles.flatMap((role, i) => (parts[i] ? [[role, parts[i]] as const] : []));
  return storedWeight(quantscope.id, { name, dtype: format, shape }, present);
}

/** @throws QuantscopeError REQUEST for a format that the catalogue lacks, MODEL_FILE for parts of another size than it has. */
function decoder({ name, file, offset, dtype, shape, stored }: StoredDescriptor, read: ReadPart): RowDecoder {
  const { scheme } = formatById(dtype);
  const { rows, columns } = matrixOf(shape);
  const layout = rowLayout(scheme, columns);
  const { codeBytes, groups, hasScales, hasZeros } = layout;
  const part = Object.fromEntries(stored.parts.map((item) => [item.role, item]));
  const parameters = 4 * parameterCount(layout, rows);
  const expected = {
    codes: rows * codeBytes,
    scales: hasScales ? parameters : 0,
    zeros: hasZeros ? parameters : 0,
  };
  for (const role of roles) {
    const found = part[role]?.byteLength ?? 0;
    if (found === expected[role]) continue;
    const message = `${dtype} [${shape.join(', ')}] needs ${expected[role]} bytes of ${role}, but the file has ${found}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });
  }
  return {
    // Blocks and groups never cross the start of a part.
    step: columns <= maxRowWeights ? columns : partWeights,
    async read({ row, column, rows: count, width }: Block, target, signal) {
      const before = column === 0 ? { codeBytes: 0, groups: 0 } : rowLayout(scheme, column);
      const own = rowLayout(scheme, width);
      const floats = async (role: 'scales' | 'zeros'): Promise<Float32Array> => {
        const [first, size] = groups === 0 ? [0, 1] : [row * groups + before.groups, count * own.groups];
        return new Float32Array((await read(part[role]!, 4 * first, 4 * size, signal)).buffer);
      };
      const start = row * codeBytes + before.codeBytes;
      const encoded = {
        codes: await read(part['codes']!, start, count * own.codeBytes, signal),
        ...(hasScales ? { scales: await floats('scales') } : {}),
        ...(hasZeros ? { zeros: await floats('zeros') } : {}),
      };
      await loadNative().decodeRows(scheme, encoded, width, target, signal);
    },
  };
}
