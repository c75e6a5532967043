import type { InferenceSession } from 'onnxruntime-node';
import { GraphBuilder } from '../onnxWriter';
import { Ops } from '../ops';
import { createSession, type OrtDevice } from '../session';
import type { ProductGradients } from './gradientReports';
import { floatTensor, output } from './graphLoader';

/** Computes g · ΔW x of every token, on one of ONNX Runtime's devices. Close it. */
export class ChangeProducts {
  private constructor(private readonly session: InferenceSession) {}

  static async open(device: OrtDevice): Promise<ChangeProducts> {
    return new ChangeProducts(await createSession(device, productsGraph()));
  }

  /** @param change what is added to the matrix, `[rows, columns]`. @returns a number for each token. */
  async of(
    { gradients, inputs, rows, columns }: ProductGradients,
    change: Float32Array,
  ): Promise<Float32Array> {
    const tokens = gradients.length / rows;
    const outputs = await this.session.run({
      g: floatTensor(gradients, [tokens, rows]),
      x: floatTensor(inputs, [tokens, columns]),
      change: floatTensor(change, [rows, columns]),
    });
    return output(outputs, 'moved');
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

function productsGraph(): Uint8Array {
  const graph = new GraphBuilder('change_products');
  const ops = new Ops(graph);
  const gradients = graph.input('g', ['n', 'rows']);
  const inputs = graph.input('x', ['n', 'columns']);
  const change = graph.input('change', ['rows', 'columns']);
  graph.output('moved', ops.sumLast(ops.mul(ops.matmul(gradients, change), inputs)), ['n', 1]);
  return graph.finish();
}
