import { readFileSync } from 'node:fs';
import { matrixOf } from '../../src/model/rows';
import type { LayoutWriter, QuantizedReader, StoredTensor, WrittenWeight } from '../../src/layouts/layout';
import type { QuantizedRows } from '../../src/quant/quantized';
import { safetensorsBytes, temporaryFolder, writeFile } from './files';

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

/** A tensor of a safetensors file. */
export interface StoredBytes {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

/** The tensors of a file by name. */
export function tensorsOf(path: string): Map<string, StoredBytes> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        return [name, { dtype, shape, bytes: bytes.subarray(start + from, start + to) }];
      },
    ),
  );
}

/** A checkpoint of one layer. @returns its folder. */
export function checkpoint(parts: ReadonlyMap<string, StoredBytes>, config: unknown): string {
  const folder = temporaryFolder();
  let offset = 0;
  const header = [...parts].map(([end, { dtype, shape, bytes }]) => {
    const range = [offset, (offset += bytes.length)];
    return [`layer.${end}`, { dtype, shape, data_offsets: range }] as const;
  });
  const data = [...parts.values()].map(({ bytes }) => bytes);
  const head = safetensorsBytes(Object.fromEntries(header), 0);
  writeFile(folder, 'model.safetensors', Buffer.concat([head, ...data]));
  writeFile(folder, 'config.json', JSON.stringify(config));
  return folder;
}

/** Some tensors under other names. */
export const renamed = (all: ReadonlyMap<string, StoredBytes>, names: Readonly<Record<string, string>>) =>
  new Map(
    Object.entries(names).flatMap(([from, to]) => (all.has(from) ? [[to, all.get(from)!] as const] : [])),
  );
