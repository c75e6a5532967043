import type { Value } from '../onnxWriter';
import type { Span } from './span';
import { causalConvolution } from './convolution';
import type { GraphParts } from './graphParts';

/**
 * Short gated convolution (LFM2): b, c and x from one matrix, then c · convolution(b · x) through another; `[n, hidden]` → `[n, hidden]`.
 */
export function shortConvolution(parts: GraphParts, span: Span, input: Value): Value {
  const { ops } = parts;
  const [size] = parts.shape('shortconv.conv.weight') as readonly [number, number];
  const all = parts.linear(input, 'shortconv.in_proj');
  const [b, c, x] = [0, 1, 2].map((third) => ops.slice(all, -1, third * size, (third + 1) * size)) as [
    Value,
    Value,
    Value,
  ];
  const gated = ops.mul(c, causalConvolution(parts, span, ops.mul(b, x), 'shortconv.conv'));
  return parts.linear(parts.given(gated, 'shortconv.in_proj.weight', size), 'shortconv.out_proj');
}
