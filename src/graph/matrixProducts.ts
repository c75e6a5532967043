import type { InferenceSession } from 'onnxruntime-node';
import { GraphBuilder } from './onnxWriter';
import { createSession, floatsOf, loadRuntime } from './session';

/** Products of matrices of any sizes in float32, on ONNX Runtime's CPU provider with the threads of the request. Close it. */
export class MatrixProducts {
  private constructor(
    private readonly plain: InferenceSession,
    private readonly transposed: InferenceSession,
  ) {}

  /** @throws QuantscopeError DEVICE where ONNX Runtime is not installed. */
  static async open(): Promise<MatrixProducts> {
    return new MatrixProducts(
      await createSession('ort-cpu', productGraph(0)),
      await createSession('ort-cpu', productGraph(1)),
    );
  }

  /** A · B of A `[rows, inner]` and B `[inner, columns]`, row-major. */
  multiply(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array> {
    return run(this.plain, [a, a.length / inner, inner], [b, inner, b.length / inner]);
  }

  /** Aᵀ · B of A `[rows, inner]` and B `[rows, columns]`, row-major. */
  multiplyTransposed(a: Float32Array, b: Float32Array, rows: number): Promise<Float32Array> {
    return run(this.transposed, [a, rows, a.length / rows], [b, rows, b.length / rows]);
  }

  async close(): Promise<void> {
    await Promise.all([this.plain.release(), this.transposed.release()]);
  }
}

type Matrix = readonly [values: Float32Array, rows: number, columns: number];

async function run(session: InferenceSession, a: Matrix, b: Matrix): Promise<Float32Array> {
  const { Tensor } = loadRuntime();
  const tensor = ([values, rows, columns]: Matrix) => new Tensor('float32', values, [rows, columns]);
  return floatsOf((await session.run({ a: tensor(a), b: tensor(b) }))['product']);
}

function productGraph(transA: 0 | 1): Uint8Array {
  const graph = new GraphBuilder('product');
  const a = graph.input('a', transA ? ['inner', 'rows'] : ['rows', 'inner']);
  const b = graph.input('b', ['inner', 'columns']);
  graph.output('product', graph.node('Gemm', [a, b], { transA }), ['rows', 'columns']);
  return graph.finish();
}
