import type { Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import { loadNative } from '../../native';
import { bytesOf } from './bytes';
import { unsupported, type MatrixStorage } from './storage';
import { said } from '../../protocol/said';

/** Dtypes of weights that are not quantized. Graphs compute in float32; BF16 has no kernel on WebGPU. */
export const floatDtypes = ['F32', 'F16', 'BF16'] as const;
export type FloatDtype = (typeof floatDtypes)[number];

/** A matrix as floats, `[out, in]`: Gemm multiplies with it, and Gather looks up its rows. */
export function floatStorage(dtype: FloatDtype, [rows, columns]: readonly [number, number]): MatrixStorage {
  const size = dtype === 'F32' ? 4 : 2;
  return {
    label: dtype,
    parts: [{ suffix: '', type: dtype, dims: [rows, columns] }],
    product: (ops, x, [weight], name) =>
      ops.graph.node('Gemm', [x, asFloat32(ops, weight!, dtype)], { transB: 1 }, undefined, name),
    async fill(matrix, write, signal) {
      for await (const { first, values } of matrix.slabs(1, signal)) {
        const start = first * columns;
        const stored = dtype === 'F32' ? values : await halves(values, dtype, start, signal);
        await write(0, start * size, bytesOf(stored));
      }
    },
  };
}

export const asFloat32 = (ops: Ops, value: Value, dtype: FloatDtype): Value =>
  dtype === 'F32' ? value : ops.graph.node('Cast', [value], { to: 1 });

/** Float32 to the nearest number of 16 bits. @throws QuantscopeError UNSUPPORTED naming a weight that is too large. */
async function halves(
  values: Float32Array,
  dtype: 'F16' | 'BF16',
  firstIndex: number,
  signal?: AbortSignal,
): Promise<Uint16Array<ArrayBuffer>> {
  const target = new Uint16Array(values.length);
  const bad = await loadNative().recodeRows('F32', bytesOf(values), dtype, values.length, bytesOf(target), {
    signal,
  });
  if (bad) throw unsupported(said`Weight ${firstIndex + bad.index} cannot be stored as ${dtype}.`);
  return target;
}
