import type { Value } from '../onnxWriter';
import type { Mamba2Mixer } from './blockShape';
import { causalConvolution, convolvedStates } from './convolution';
import type { GraphParts } from './graphParts';
import type { Span } from './span';
import { scan, type ScanSizes } from './stateSpace';

/** Sizes of the states of one text. */
export const mamba2States = (mixer: Mamba2Mixer) => ({
  convolved: convolvedStates([mixer.innerSize + 2 * mixer.groups * mixer.stateSize, mixer.kernel]),
  state: stateDims(scanSizes(mixer)),
});

const stateDims = ({ groups, headsPerGroup, stateSize, width }: ScanSizes): number[] => [
  ...[groups, headsPerGroup, 1, stateSize, width],
];

const scanSizes = ({ heads, groups, stateSize, innerSize }: Mamba2Mixer): ScanSizes => ({
  ...{ groups, stateSize },
  headsPerGroup: heads / groups,
  width: innerSize / heads,
});

/**
 * State space mixer (Dao and Gu 2024, Mamba 2): gate, inputs of a convolution and steps Δ come from one matrix; with x, B and C from the
 * convolution, S ← e^(Δ A) S + Δ x ⊗ B and y = C S + D x of each head; y · silu(gate), normed in groups, goes through another matrix.
 * `[n, hidden]` → `[n, hidden]`.
 */
export function mamba2(parts: GraphParts, mixer: Mamba2Mixer, span: Span, input: Value): Value {
  const { ops } = parts;
  const { heads, groups, stateSize, innerSize } = mixer;
  const directions = groups * stateSize;
  const channels = innerSize + 2 * directions;
  const all = parts.linear(input, 'ssm_in');
  const gate = ops.slice(all, -1, 0, innerSize);
  const convolved = ops.silu(
    causalConvolution(parts, span, ops.slice(all, -1, innerSize, innerSize + channels), 'ssm_conv1d'),
  );
  const steps = ops.softplus(
    ops.add(
      ops.slice(all, -1, innerSize + channels, innerSize + channels + heads),
      parts.weight('ssm_dt.bias'),
    ),
  );
  const x = ops.reshape(ops.slice(convolved, -1, 0, innerSize), [-1, heads, innerSize / heads]);
  const results = scanned(parts, mixer, span, {
    values: ops.mul(x, ops.reshape(steps, [-1, heads, 1])),
    decays: ops.mul(steps, ops.reshape(parts.weight('ssm_a'), [heads])),
    written: ops.slice(convolved, -1, innerSize, innerSize + directions),
    read: ops.slice(convolved, -1, innerSize + directions, channels),
  });
  const skipped = ops.mul(x, ops.reshape(parts.weight('ssm_d'), [heads, 1]));
  const y = ops.mul(ops.reshape(ops.add(results, skipped), [-1, innerSize]), ops.silu(gate));
  return parts.linear(normed(parts, mixer, y), 'ssm_out');
}

/** Results `[n, heads, width]` of the scan; the state of earlier tokens is an input of a graph of the next one. */
function scanned(
  { ops }: GraphParts,
  mixer: Mamba2Mixer,
  { length, positions }: Span,
  inputs: Parameters<typeof scan>[1],
): Value {
  const sizes = scanSizes(mixer);
  if (positions === undefined) return scan(ops, inputs, sizes, length).results;
  const dims = stateDims(sizes);
  const { results, state } = scan(ops, inputs, sizes, length, ops.graph.input('past_state', dims));
  ops.graph.output('state', state!, dims);
  return results;
}

/** RMS norm of each group by its own weights; without weights there is no norm. */
function normed(parts: GraphParts, { groups, innerSize }: Mamba2Mixer, y: Value): Value {
  if (!parts.has('ssm_norm.weight')) return y;
  const { ops } = parts;
  const apart = ops.reshape(y, [-1, groups, innerSize / groups]);
  return ops.reshape(parts.normEach(apart, 'ssm_norm'), [-1, innerSize]);
}
