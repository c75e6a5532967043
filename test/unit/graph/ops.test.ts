import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/onnxWriter';
import { Ops } from '../../../src/graph/ops';
import { RunnableGraph } from '../../support/gradients';

it('softplus is ln(1 + eˣ), small results as exact as large ones', async () => {
  const graph = new GraphBuilder('softplus');
  graph.output('y', new Ops(graph).softplus(graph.input('x', ['n'])), ['n']);
  const runnable = await RunnableGraph.open(graph.finish());
  const data = Float32Array.of(-80, -60, -20, -7, -1, -0.01, 0, 0.3, 2, 15, 90, 1e4);
  const { y } = await runnable.run({ x: { dims: [data.length], data } });
  data.forEach((x, i) => {
    const expected = Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    expect(Math.abs(y!.data[i]! - expected), `of ${x}`).toBeLessThanOrEqual(3e-7 * expected);
  });
  await runnable.close();
});
