import { bytesOf } from './bytes';
import { loadNative } from '../../native';
import { unsupported, type MatrixStorage } from './storage';
import { Transposed } from './transposed';

/** Dtypes of weights that are not quantized. Graphs compute in float32; BF16 has no kernel on WebGPU. */
export const floatDtypes = ['F32', 'F16', 'BF16'] as const;
export type FloatDtype = (typeof floatDtypes)[number];

export const floatBytes = (dtype: FloatDtype): number => (dtype === 'F32' ? 4 : 2);

/** A matrix as floats, `[in, out]`, as MatMul takes it. */
export function floatStorage(dtype: FloatDtype, [rows, columns]: readonly [number, number]): MatrixStorage {
  return {
    label: dtype,
    parts: [{ suffix: '', type: dtype, dims: [columns, rows] }],
    product(ops, x, [weight], name) {
      const values = dtype === 'F32' ? weight! : ops.graph.node('Cast', [weight!], { to: 1 });
      return ops.graph.node('MatMul', [x, values], {}, undefined, name);
    },
    async fill(matrix, write, signal) {
      const size = floatBytes(dtype);
      if (dtype === 'F32') {
        const whole = new Transposed(
          [rows, columns],
          (length) => new Float32Array(length),
          (at, elements) => write(0, at * size, bytesOf(elements)),
        );
        for await (const { values } of matrix.slabs(1, signal)) await whole.add(values);
        return;
      }
      const whole = new Transposed(
        [rows, columns],
        (length) => new Uint16Array(length),
        (at, elements) => write(0, at * size, bytesOf(elements)),
      );
      for await (const { first, values } of matrix.slabs(1, signal))
        await whole.add(await halves(values, dtype, first * columns, signal));
    },
  };
}

/** The embedding as floats, `[vocabulary, hidden]`, whose rows Gather looks up. */
export function embeddingStorage(
  dtype: FloatDtype,
  [rows, columns]: readonly [number, number],
): Pick<MatrixStorage, 'parts' | 'fill'> {
  const size = floatBytes(dtype);
  return {
    parts: [{ suffix: '', type: dtype, dims: [rows, columns] }],
    async fill(matrix, write, signal) {
      for await (const { first, values } of matrix.slabs(1, signal)) {
        const start = first * columns;
        const stored = dtype === 'F32' ? values : await halves(values, dtype, start, signal);
        await write(0, start * size, bytesOf(stored));
      }
    },
  };
}

/** Float32 to the nearest number of 16 bits. @throws QuantscopeError UNSUPPORTED naming a weight that is too large. */
export async function halves(
  values: Float32Array,
  dtype: 'F16' | 'BF16',
  firstIndex: number,
  signal?: AbortSignal,
): Promise<Uint16Array<ArrayBuffer>> {
  const target = new Uint16Array(values.length);
  const bad = await loadNative().recodeRows('F32', bytesOf(values), dtype, values.length, bytesOf(target), {
    signal,
  });
  if (bad) throw unsupported(`Weight ${firstIndex + bad.index} cannot be stored as ${dtype}.`);
  return target;
}
