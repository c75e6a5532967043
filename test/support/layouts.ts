import { matrixOf } from '../../src/model/rows';
import type { LayoutWriter, QuantizedReader, StoredTensor, WrittenWeight } from '../../src/layouts/layout';
import type { QuantizedRows } from '../../src/quant/quantized';

/** A tensor of a safetensors file with its data. */
export interface WrittenTensor extends StoredTensor {
  readonly bytes: Buffer;
}

/** The rows of a weight in slabs of about so many. */
export async function* slabsOf(
  reader: QuantizedReader,
  shape: readonly number[],
  about = Infinity,
): AsyncGenerator<QuantizedRows> {
  const { rows } = matrixOf(shape);
  const count = Math.ceil(Math.min(about, rows) / reader.rowStep) * reader.rowStep;
  for (let row = 0; row < rows; row += count) yield await reader.read(row, Math.min(count, rows - row));
}

/** The tensors that a layout stores a weight in. @throws Error where sizes differ from those that it states. */
export async function written(
  writer: LayoutWriter,
  weight: WrittenWeight,
  slabs: AsyncIterable<QuantizedRows>,
): Promise<WrittenTensor[]> {
  const parts = writer.parts(weight);
  const pieces = parts.map((): Buffer[] => []);
  await writer.encode(weight, slabs, (part, bytes) => {
    pieces[part]!.push(Buffer.from(bytes));
    return Promise.resolve();
  });
  return parts.map(({ atMost, ...part }, i) => {
    const bytes = Buffer.concat(pieces[i]!);
    const size = byteLength(part);
    if (atMost ? bytes.length > size : bytes.length !== size)
      throw new Error(`${part.name} has ${bytes.length} bytes instead of ${size}`);
    return { ...part, ...(atMost ? { shape: [bytes.length] } : {}), bytes };
  });
}

const sizes: Readonly<Record<string, number>> = { I64: 8, I32: 4, F32: 4, F16: 2, BF16: 2 };

const byteLength = ({ dtype, shape }: StoredTensor): number =>
  shape.reduce((product, size) => product * size, sizes[dtype] ?? 1);
