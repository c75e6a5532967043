import { startGraph } from '../blockGraph';
import type { NamedSource } from '../graphSources';
import type { EmbeddingPass } from './embeddingPass';

/** Dense layers after the pooling: `x` `[n, hidden]` → `y` `[n, rows]` of the last of them. */
export function denseSource({ dense, hiddenSize, epsilon }: EmbeddingPass): NamedSource {
  return {
    ...{ name: 'dense layers', key: JSON.stringify(['dense layers', dense]) },
    tensor: (part) => part,
    build(options) {
      const tensors = new Map(dense.map(([name, shape]) => [`${name}.weight`, shape]));
      const { graph, parts } = startGraph('dense', { tensors, epsilon }, options);
      const x = graph.input('x', ['n', hiddenSize]);
      const y = dense.reduce((value, [name]) => parts.linear(value, name), x);
      graph.output('y', y, ['n', dense.at(-1)?.[1][0] ?? hiddenSize]);
      return { bytes: graph.finish(), taps: [] };
    },
  };
}
