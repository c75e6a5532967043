import type { TensorDescriptor } from '../protocol/model';
import {
  storedWeight,
  type Found,
  type Layout,
  type ReadPart,
  type RowDecoder,
  type StoredContent,
  type StoredDescriptor,
} from './layout';
import { findWeights, groupedRows, integerLevels, PartReader, scaleColumns, type ModuleParts } from './parts';

/**
 * AWQ in the GEMM layout of AutoAWQ: `qweight` I32 [in, out/8], eight codes of 4 bits along out in each word; `qzeros` I32 [groups, out/8] alike;
 * `scales` [groups, out]. w = (code − zero) · scale.
 * @see https://arxiv.org/abs/2306.00978
 */
export const awq: Layout = { id: 'awq', find, decoder };

const ends = ['qweight', 'qzeros', 'scales'] as const;

/** Where the code of output 0 to 7 is in its word, in bits: nibbles hold the outputs 0, 2, 4, 6, 1, 3, 5, 7. */
const shifts = [0, 16, 4, 20, 8, 24, 12, 28];

function find({ tensors }: StoredContent): Found {
  return findWeights(tensors, ends, describe);
}

function describe(module: string, parts: ModuleParts): TensorDescriptor | undefined {
  const [qweight, qzeros, scales] = ends.map((end) => parts.get(end));
  if (qweight?.dtype !== 'I32' || qzeros?.dtype !== 'I32' || !scales) return undefined;
  const [columns = 0, words = 0] = qweight.shape;
  const [groups = 0, out = 0] = scales.shape;
  const fits =
    out === 8 * words && qzeros.shape[0] === groups && qzeros.shape[1] === words && columns % groups === 0;
  if (!fits) return undefined;
  const present = ends.map((end) => [end, parts.get(end)!] as const);
  const described = { name: `${module}.weight`, dtype: 'AWQ 4-bit', shape: [out, columns] };
  return storedWeight(awq.id, described, present, scales.dtype === 'F16' ? { rounding: 'F16' } : {});
}

function decoder(weight: StoredDescriptor, read: ReadPart): RowDecoder {
  const parts = new PartReader(weight, read);
  const [out, columns] = weight.shape as readonly [number, number];
  const groups = parts.part('scales').shape[0]!;
  return groupedRows(columns, {
    levels: integerLevels(0, 15),
    async read({ row, rows }, target, signal) {
      const first = row >> 3;
      const words = { first, count: Math.ceil((row + rows) / 8) - first };
      const wordsOf = async (role: string, lines: number): Promise<Uint32Array> =>
        new Uint32Array((await parts.columns(role, [lines, out / 8], 4, words, signal)).buffer);
      const code = (from: Uint32Array, line: number, output: number): number =>
        (from[line * words.count + (output >> 3) - first]! >>> shifts[output & 7]!) & 15;
      const codes = await wordsOf('qweight', columns);
      for (let i = 0; i < rows; i++)
        for (let column = 0; column < columns; column++)
          target[i * columns + column] = code(codes, column, row + i);
      const stored = await wordsOf('qzeros', groups);
      const zeros = Float32Array.from({ length: rows * groups }, (_, at) =>
        code(stored, at % groups, row + Math.floor(at / groups)),
      );
      const scales = await scaleColumns(parts, 'scales', { first: row, count: rows }, signal);
      return { count: groups, scales, zeros };
    },
  });
}
