import { elementsOf, ggmlRowBytes, ggmlType } from '../model/dtypes';
import { isRecord } from '../model/json';
import { matrixOf, maxRowWeights, partWeights } from '../model/rows';
import { ShapeError } from '../model/shape';
import type { Scheme } from '../protocol/formats';
import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Grid } from '../protocol/grids';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { QuantFormat } from '../quant/format';
import { grid as gridShape } from '../quant/grids/gridShape';
import { decodeRows } from '../quant/grids/roundToNearest';
import { refuseGrid, refuseShape } from '../quant/schemeFormat';
import { codeView } from './decoding';
import {
  storedWeight,
  type Found,
  type Layout,
  type QuantizedReader,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { savedParts, savedRoles, savedRows, type SavedRole } from './quantscopeParts';
import { isOldFormat, oldDecoder } from './quantscopeVersion1';

/** Key of a file's metadata that says how its tensors were quantized, and of the version of that description. */
const tensorsKey = 'quantscope.tensors';
const versionKey = 'quantscope.version';
/** Files of version 1 do not state it: they name formats, whose scales were not those of today's grids. */
const version = '2';

/** How a tensor was quantized: its format, the grid or the type of ggml that the format stands for, and the shape of its weights. */
interface SavedTensor {
  readonly format: string;
  /** Absent in files of version 1. */
  readonly scheme?: Scheme;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
}

/** The metadata of a file of tensors in formats. */
export function savedMetadata(
  tensors: Iterable<readonly [tensor: Pick<TensorDescriptor, 'name' | 'shape'>, format: QuantFormat]>,
): Record<string, string> {
  const entries = [...tensors].map(([{ name, shape }, { id, scheme }]) => {
    const kind = scheme.kind === 'grid' ? { grid: scheme.grid } : { type: scheme.type };
    return [name, { format: id, ...kind, shape }];
  });
  return { [versionKey]: version, [tensorsKey]: JSON.stringify(Object.fromEntries(entries)) };
}

/**
 * How *Quantize Layer* saves tensors: `NAME` holds codes, `NAME_scale`, `NAME_zero` and `NAME_global_scale` what the grid has of them, and
 * the file's metadata describes the grids. A ggml type is one tensor of blocks. What does not match its description is left as stored,
 * with a warning.
 */
export const quantscope: Layout = { id: 'quantscope', mark: tensorsKey, cutsRows: true, find, decoder };

function find({ tensors, metadataOfFiles }: StoredContent): Found {
  const weights: { weight: TensorDescriptor; parts: readonly TensorDescriptor[] }[] = [];
  const warnings: string[] = [];
  const files = new Set<string>();
  for (const [file, entries] of metadataOfFiles) {
    const text = entries[tensorsKey];
    if (text === undefined) continue;
    files.add(file);
    const saved = parseSaved(text, entries[versionKey]);
    if (!saved) {
      warnings.push(said`${tensorsKey} in __metadata__ cannot be read: tensors are shown as stored.`);
      continue;
    }
    const byName = new Map(
      tensors.filter((tensor) => tensor.file === file).map((tensor) => [tensor.name, tensor]),
    );
    for (const [name, description] of saved) {
      const found = weightOf(name, byName, description);
      if (found) weights.push(found);
      else warnings.push(said`"${name}" does not match ${tensorsKey}: it is shown as stored.`);
    }
  }
  return { weights, warnings, files };
}

/** Undefined for a description that is not as it was written, or of another version. */
function parseSaved(text: unknown, stated: unknown): Map<string, SavedTensor> | undefined {
  if (typeof text !== 'string' || (stated !== undefined && stated !== version)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return undefined;
    const entries = Object.entries(value).map(([name, entry]) => [name, parseEntry(entry, stated)] as const);
    return entries.every((entry): entry is [string, SavedTensor] => entry[1] !== undefined)
      ? new Map(entries)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** @throws ShapeError for what is not a grid. */
function parseEntry(value: unknown, stated: unknown): SavedTensor | undefined {
  if (!isRecord(value)) return undefined;
  const { format, type, grid, shape } = value;
  if (typeof format !== 'string' || !isShape(shape)) return undefined;
  if (typeof type === 'string') {
    const known = ggmlType(type) as { readonly name: GgmlQuantType } | undefined;
    return known && { format, shape, scheme: { kind: 'ggml', type: known.name } };
  }
  if (stated === undefined) return { format, shape };
  return { format, shape, scheme: { kind: 'grid', grid: gridShape(grid, '$.grid') } };
}

const isShape = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) > 0);

type Tensors = ReadonlyMap<string, TensorDescriptor>;

/** A weight and its parts; undefined when they are not as described. */
function weightOf(name: string, byName: Tensors, saved: SavedTensor): Found['weights'][number] | undefined {
  const { format, scheme, shape } = saved;
  if (scheme?.kind === 'ggml') {
    const codes = byName.get(name);
    const weight = codes && typed(codes, scheme.type, shape);
    return weight && { weight, parts: [codes] };
  }
  const found = scheme ? partsOf(name, byName, scheme.grid, saved) : oldParts(name, byName, format);
  if (!found) return undefined;
  const variant = scheme ? { variant: JSON.stringify(scheme.grid) } : {};
  const weight = storedWeight(quantscope.id, { name, dtype: format, shape }, found, variant);
  return weight && { weight, parts: found.map(([, part]) => part) };
}

/** Codes of a ggml type hold everything: they are a tensor of that type. */
function typed(
  codes: TensorDescriptor,
  type: string,
  shape: readonly number[],
): TensorDescriptor | undefined {
  const elements = elementsOf(shape);
  const { rows, columns } = matrixOf(shape);
  if (elements === undefined || columns % ggmlType(type)!.block !== 0) return undefined;
  if (rows * ggmlRowBytes(type, columns) !== codes.byteLength) return undefined;
  return { ...codes, dtype: type, shape, elements };
}

type Parts = readonly (readonly [SavedRole, TensorDescriptor])[];

function partsOf(
  name: string,
  byName: Tensors,
  grid: Grid,
  { format, shape }: SavedTensor,
): Parts | undefined {
  const scheme = { kind: 'grid', grid } as const;
  if (refuseGrid(grid) !== undefined || refuseShape(format, scheme, shape) !== undefined) return undefined;
  const expected = savedParts({ name, shape }, scheme);
  const found = expected.flatMap(({ role, name: part, dtype }) => {
    const tensor = byName.get(part);
    return tensor?.dtype === dtype ? [[role, tensor] as const] : [];
  });
  return found.length === expected.length ? found : undefined;
}

function oldParts(name: string, byName: Tensors, format: string): Parts | undefined {
  const parts = (['codes', 'scales', 'zeros'] as const).flatMap((role) => {
    const tensor = byName.get(name + savedRoles[role]);
    return tensor ? [[role, tensor] as const] : [];
  });
  const areFloats = parts.every(([role, { dtype }]) => role === 'codes' || dtype === 'F32');
  return isOldFormat(format) && parts[0]?.[0] === 'codes' && areFloats ? parts : undefined;
}

/** @throws QuantscopeError MODEL_FILE for parts of another size than the format has. */
function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const { variant } = weight.stored;
  if (variant === undefined) return oldDecoder(weight, read);
  const grid = gridShape(JSON.parse(variant), '$');
  const { columns } = matrixOf(weight.shape);
  const readBlock = savedRows(weight, grid, read);
  const reader: QuantizedReader = {
    ...{ grid, rowStep: 1 },
    read: (row, rows, signal) => readBlock({ row, rows, column: 0, width: columns }, signal),
  };
  const isWhole = columns <= maxRowWeights;
  return {
    // Groups never cross the start of a part.
    step: isWhole ? columns : partWeights,
    ...(isWhole ? { codes: codeView(reader, weight.shape) } : {}),
    async read(block, target, signal) {
      target.set(await decodeRows(await readBlock(block, signal), signal));
    },
  };
}
