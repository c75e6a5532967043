import { startGraph } from '../blockGraph';
import type { NamedSource } from '../graphSources';
import type { EmbeddingPass } from './embeddingPass';

/** Dense layers after the pooling: `x` `[n, hidden]` → `y` alike. */
export function denseSource({ dense, hiddenSize, epsilon }: EmbeddingPass): NamedSource {
  return {
    ...{ name: 'dense layers', key: JSON.stringify(['dense layers', dense]) },
    tensor: (part) => part,
    build(options) {
      const tensors = new Map(dense.map(([name, shape]) => [`${name}.weight`, shape]));
      const { graph, parts } = startGraph('dense', { tensors, epsilon }, options);
      const x = graph.input('x', ['n', hiddenSize]);
      const y = dense.reduce((value, [name]) => parts.linear(value, name), x);
      graph.output('y', y, ['n', hiddenSize]);
      return { bytes: graph.finish(), taps: [] };
    },
  };
}
