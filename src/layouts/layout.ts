import type { CodeReader } from '../model/codeRows';
import { elementsOf } from '../model/dtypes';
import { isRecord } from '../model/json';
import type { FileMetadata } from '../model/modelContent';
import type { Grid } from '../protocol/grids';
import type { StoredPart, StoredWeight, TensorDescriptor } from '../protocol/model';
import type { ActivationRecipe, Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import type { QuantizedRows } from '../quant/quantized';

/** A weight that a layout decodes. */
export type StoredDescriptor = TensorDescriptor & {
  readonly stored: NonNullable<TensorDescriptor['stored']>;
};

/** What the headers of a checkpoint say. */
export interface StoredContent {
  /** In the order of the files. */
  readonly tensors: readonly TensorDescriptor[];
  /** config.json next to the weights. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** `__metadata__` by the path of its file. */
  readonly metadataOfFiles: FileMetadata;
}

/** The logical weights that a layout recognises. */
export interface Found {
  /** Each with the tensors that it is made of, at least one. */
  readonly weights: readonly {
    readonly weight: TensorDescriptor;
    readonly parts: readonly TensorDescriptor[];
  }[];
  /** What does not match its description, as sentences. */
  readonly warnings: readonly string[];
  /** Files that say that they are in this layout: no other is tried on them. */
  readonly files?: ReadonlySet<string>;
}

/** Whole rows of a matrix, or part of one row. */
export interface Block {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly width: number;
}

/** Decodes the rows of one weight. */
export interface RowDecoder {
  /** Weights of a row that are decoded together, from multiples of this on; at least the row's length where rows are decoded whole. */
  readonly step: number;
  /** Rows are read from multiples of this on; 1 where it is absent. */
  readonly rowStep?: number;
  /** Decodes `rows × width` weights into `target`, row by row. @throws QuantscopeError IO, MODEL_FILE, CANCELLED. */
  read(block: Block, target: Float32Array, signal?: AbortSignal): Promise<void>;
  /** Present where codes and what they are scaled by can be shown. */
  readonly codes?: CodeReader;
}

/** Reads the codes and scales of one weight, as they are stored. */
export interface QuantizedReader {
  readonly grid: Grid;
  /** Rows are read from multiples of this on, so that groups (of scales, too) do not cross reads. */
  readonly rowStep: number;
  /** @throws QuantscopeError IO, MODEL_FILE, CANCELLED. */
  read(row: number, rows: number, signal?: AbortSignal): Promise<QuantizedRows>;
}

/** Bytes of a part, from `offset` relative to its start. */
export type ReadPart = (
  part: Pick<StoredPart, 'file' | 'offset' | 'dtype' | 'shape' | 'strides'>,
  offset: number,
  length: number,
  signal?: AbortSignal,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * How a library stores quantized weights in the files of a checkpoint: which tensors make up a weight, and how they are decoded. One file of this
 * folder for each, listed in `layouts.ts`.
 */
export interface Layout {
  readonly id: string;
  /** Set where parts of long rows are decoded; otherwise weights whose rows have more than `maxRowWeights` are left as stored. */
  readonly cutsRows?: true;
  /** What tells that a model may have such weights: what the last part of a name of each weight's tensors matches, or a key of `__metadata__`. */
  readonly mark: RegExp | string;
  /** Recognises the weights of a model that are stored so. Reads at most some hundred bytes of each: descriptions that are tensors. */
  find(content: StoredContent, read: ReadPart, signal?: AbortSignal): Promise<Found> | Found;
  /** Present where the layout can also be written: one for each variant. */
  readonly writers?: readonly LayoutWriter[];
  /** @throws QuantscopeError MODEL_FILE when the sizes of its parts contradict each other. */
  decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder;
  /**
   * The codes and scales that weights are decoded from, where they are such. Integer codes whose zero points are all in the middle are signed
   * codes without zero points.
   * @throws QuantscopeError IO, MODEL_FILE, CANCELLED.
   */
  codes?(
    weight: StoredDescriptor,
    read: ReadPart,
    signal?: AbortSignal,
  ): Promise<QuantizedReader> | QuantizedReader;
  /**
   * Present where weights have `blocks`: `count` blocks of that type from `first` on, made of the same codes and scales.
   * @throws QuantscopeError IO, MODEL_FILE, CANCELLED.
   */
  blocks?(
    weight: StoredDescriptor,
    read: ReadPart,
    span: { readonly first: number; readonly count: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** Present where blocks have a factor: what decoded ones are multiplied by. @throws QuantscopeError IO, MODEL_FILE, CANCELLED. */
  factor?(weight: StoredDescriptor, read: ReadPart, signal?: AbortSignal): Promise<number>;
}

/** A tensor of a safetensors file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Set where the size depends on the values: one dimension, `shape` holds the most bytes it can have; such parts are written at once. */
  readonly atMost?: true;
}

/** A weight to be stored: "model.layers.0.mlp.up_proj.weight" `[out, in]`. */
export interface WrittenWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly grid: Grid;
  /** Dtype that the model had it in. */
  readonly dtype: string;
  /** Its columns name their groups: every slab has a `groupOfColumn`. */
  readonly permuted?: true;
}

/** What `quantization_config` is made from. */
export interface WrittenModel {
  readonly recipe: Recipe;
  readonly weights: readonly WrittenWeight[];
  /** Modules of linear layers that are not quantized: "lm_head". */
  readonly kept: readonly string[];
  /** All tensors of the model in its order, quantized ones by the name of their weight. */
  readonly names: readonly string[];
}

/** `bias`: one that floats of this split do not have by themselves. */
export type RareMember = 'bias' | 'double' | 'global' | 'outliers' | 'perScale';

/** How a library's files hold quantized weights, and what its config.json says of them. */
export interface LayoutWriter {
  /** "gptq", "compressed-tensors-pack": what a recipe names. */
  readonly id: string;
  readonly label: string;
  /** Runtimes that load it. */
  readonly runtimes: readonly string[];
  /** Why a weight cannot be stored (bits, group, dimensions); undefined when it can. Members of its grid that are rare need no check here. */
  refuse(weight: WrittenWeight): string | undefined;
  /** Members of grids that few layouts have a place for and this one has. */
  readonly rareMembers?: readonly RareMember[];
  /**
   * Why runtimes of the layout cannot be told to round inputs so; undefined where `config` tells them. Absent where they take inputs as
   * they are.
   */
  refuseInputs?(inputs: ActivationRecipe): string | undefined;
  /** The tensors of a weight, in the order in which they are written. */
  parts(weight: WrittenWeight): readonly StoredTensor[];
  /**
   * Stores a weight.
   * @param slabs its rows in order.
   * @param write receives the bytes of each part, in any pieces, each part in order.
   */
  encode(
    weight: WrittenWeight,
    slabs: AsyncIterable<QuantizedRows>,
    write: (part: number, bytes: Uint8Array) => Promise<void>,
  ): Promise<void>;
  /**
   * `quantization_config` of config.json, with the library's own names of parameters.
   * @throws QuantscopeError REQUEST where it cannot describe all weights, naming two of them.
   */
  config(model: WrittenModel): Record<string, unknown>;
  /** Other JSON files that the library reads, by name: `quantize_config.json`. */
  files?(model: WrittenModel): Readonly<Record<string, Record<string, unknown>>>;
  /** `__metadata__` of every file, next to `format: pt`, where the library needs it. */
  metadata?(model: WrittenModel): Readonly<Record<string, string>>;
  /**
   * What its reader, as the library does, rounds decoded weights to, as `dtype` of the written config.json says or always to F16, and whether scales
   * are rounded to it first; decoded weights are float32 where it is absent.
   */
  readonly decodes?: { readonly to: 'model' | 'F16'; readonly scales?: true };
  /** Set where a matrix is held, packed, until all of its rows are there. */
  readonly holds?: true;
  /** Dtype that the library keeps all other floats in; as the model has them where it is absent. */
  readonly plainDtype?: 'F16';
  /**
   * Weights that runtimes join into one matrix (q, k and v; gate and up), whose global scale must therefore be the same: it is computed from
   * the range of all of them. Weights that share nothing are left out.
   */
  sharedRanges?(names: readonly string[]): readonly (readonly string[])[];
}

/**
 * The descriptor of a weight that a layout decodes.
 * @param dtype what lists show as its dtype; not the name of a dtype of safetensors or a type of ggml.
 * @param parts by their role.
 * @param more as `StoredWeight` has it.
 * @returns undefined when the shape has more weights than can be counted exactly.
 */
export function storedWeight(
  layout: string,
  { name, dtype, shape }: Pick<TensorDescriptor, 'name' | 'dtype' | 'shape'>,
  parts: readonly (readonly [role: string, part: TensorDescriptor])[],
  more: Pick<StoredWeight, 'variant'> & {
    readonly rounding?: StoredWeight['rounding'] | undefined;
    readonly blocks?: StoredWeight['blocks'] | undefined;
    readonly hasFactor?: boolean;
  } = {},
): TensorDescriptor | undefined {
  const elements = elementsOf(shape);
  const [first] = parts;
  if (elements === undefined || !first) return undefined;
  const { file, offset } = first[1];
  const unreadable = parts.find(([, { readable }]) => !readable)?.[1];
  const missing = parts.reduce((sum, [, { missingBytes = 0 }]) => sum + missingBytes, 0);
  return {
    ...{ name, dtype, shape, elements, file, offset },
    byteLength: parts.reduce((sum, [, part]) => sum + part.byteLength, 0),
    readable: !unreadable,
    ...(unreadable ? { unreadableReason: unreadable.unreadableReason ?? said`It cannot be read.` } : {}),
    ...(missing > 0 ? { missingBytes: missing } : {}),
    stored: {
      layout,
      ...(more.variant === undefined ? {} : { variant: more.variant }),
      ...(more.rounding ? { rounding: more.rounding } : {}),
      ...(more.blocks ? { blocks: more.blocks } : {}),
      ...(more.hasFactor ? { hasFactor: true } : {}),
      parts: parts.map(([role, part]) => storedPart(role, part)),
    },
  };
}

function storedPart(role: string, part: TensorDescriptor): StoredPart {
  const { name, dtype, shape, file, offset, byteLength, strides } = part;
  return { role, name, dtype, shape, file, offset, byteLength, ...(strides ? { strides } : {}) };
}

/** `quantization_config` of config.json, or what older versions of compressed-tensors called so; empty where it is absent or not an object. */
export function quantizationOf(config: StoredContent['config']): Readonly<Record<string, unknown>> {
  const stated = config?.['quantization_config'] ?? config?.['compression_config'];
  return isRecord(stated) ? stated : {};
}

/** What each group of compressed-tensors' config_groups says of its weights. */
export function weightGroups(config: StoredContent['config']): readonly Readonly<Record<string, unknown>>[] {
  const groups = quantizationOf(config)['config_groups'];
  return Object.values(isRecord(groups) ? groups : {}).flatMap((group) =>
    isRecord(group) && isRecord(group['weights']) ? [group['weights']] : [],
  );
}

/** What a written layout's reader rounds decoded weights to; float32 where it is absent. @param config of the model. */
export function decodedTo(
  { decodes, plainDtype }: LayoutWriter,
  config: StoredContent['config'],
): StoredWeight['rounding'] {
  return decodes && (decodes.to === 'F16' ? 'F16' : (plainDtype ?? modelDtype(config)));
}

/** The dtype that a model computes in according to its config.json, which most libraries decode weights to. */
export function modelDtype(config: StoredContent['config']): StoredWeight['rounding'] {
  const stated = config?.['dtype'] ?? config?.['torch_dtype'];
  return stated === 'bfloat16' ? 'BF16' : stated === 'float16' ? 'F16' : undefined;
}
