import { elementsOf } from '../model/dtypes';
import type { FileMetadata } from '../model/modelContent';
import type { StoredPart, TensorDescriptor } from '../protocol/model';

/** A weight that a layout decodes. */
export type StoredDescriptor = TensorDescriptor & {
  readonly stored: NonNullable<TensorDescriptor['stored']>;
};

/** What the headers of a safetensors model say. */
export interface StoredContent {
  /** In the order of the files. */
  readonly tensors: readonly TensorDescriptor[];
  /** config.json next to the weights. */
  readonly config?: Readonly<Record<string, unknown>>;
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
  /** Decodes `rows × width` weights into `target`, row by row. @throws QuantscopeError IO, MODEL_FILE, CANCELLED. */
  read(block: Block, target: Float32Array, signal?: AbortSignal): Promise<void>;
}

/** Bytes of a part, from `offset` relative to its start. */
export type ReadPart = (
  part: StoredPart,
  offset: number,
  length: number,
  signal?: AbortSignal,
) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * How a library stores quantized weights in safetensors files: which tensors make up a weight, and how they are decoded. One file of this
 * folder for each, listed in `layouts.ts`.
 */
export interface Layout {
  readonly id: string;
  /** Recognises the weights of a model that are stored so. Reads no data. */
  find(content: StoredContent): Found;
  /** @throws QuantscopeError MODEL_FILE when the sizes of its parts contradict each other. */
  decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder;
}

/**
 * The descriptor of a weight that a layout decodes.
 * @param dtype what lists show as its dtype; not the name of a dtype of safetensors or a type of ggml.
 * @param parts by their role.
 * @returns undefined when the shape has more weights than can be counted exactly.
 */
export function storedWeight(
  layout: string,
  { name, dtype, shape }: Pick<TensorDescriptor, 'name' | 'dtype' | 'shape'>,
  parts: readonly (readonly [role: string, part: TensorDescriptor])[],
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
    ...(unreadable ? { unreadableReason: unreadable.unreadableReason ?? 'It cannot be read.' } : {}),
    ...(missing > 0 ? { missingBytes: missing } : {}),
    stored: { layout, parts: parts.map(([role, part]) => storedPart(role, part)) },
  };
}

function storedPart(role: string, part: TensorDescriptor): StoredPart {
  const { name, dtype, shape, file, offset, byteLength } = part;
  return { role, name, dtype, shape, file, offset, byteLength };
}
