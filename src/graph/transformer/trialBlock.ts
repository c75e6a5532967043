import type { Tensor } from 'onnxruntime-node';
import { createSession, floatsOf, loadRuntime, type OrtDevice } from '../session';
import { blockGraph } from './blockGraph';
import type { BlockShape } from './blockShape';
import { rotationOf } from './rotation';

const hiddenSize = 64;
const feedForwardSize = 96;
const headSize = 16;
const length = 24;

/** A small block with what most blocks have: grouped queries, norms of heads, rotation, a window, caps, a gate. */
const trial: BlockShape = {
  ...{ index: 0, hiddenSize, epsilon: 1e-6, heads: 4, kvHeads: 2, headSize, scale: 1 / 4 },
  ...{
    mixers: [{ kind: 'attention' }],
    scoreCap: 30,
    window: 10,
    activation: 'silu',
    beforeFeedForward: 'ffn_norm',
  },
  rotation: rotationOf({ order: 'halves', dimensions: headSize, theta: 10_000 }),
  tensors: new Map([
    ['attn_norm.weight', [hiddenSize]],
    ['attn_q.weight', [4 * headSize, hiddenSize]],
    ['attn_k.weight', [2 * headSize, hiddenSize]],
    ['attn_v.weight', [2 * headSize, hiddenSize]],
    ['attn_q_norm.weight', [headSize]],
    ['attn_k_norm.weight', [headSize]],
    ['attn_output.weight', [hiddenSize, 4 * headSize]],
    ['ffn_norm.weight', [hiddenSize]],
    ['ffn_gate.weight', [feedForwardSize, hiddenSize]],
    ['ffn_up.weight', [feedForwardSize, hiddenSize]],
    ['ffn_down.weight', [hiddenSize, feedForwardSize]],
  ]),
};

/**
 * How far a transformer block on a device is from the same block on the CPU: largest difference of the outputs, relative to the
 * largest output.
 * @throws QuantscopeError DEVICE when a node of the block has no kernel there.
 */
export async function trialDifference(device: OrtDevice): Promise<number> {
  const [theirs, ours] = [await runTrial(device), await runTrial('ort-cpu')];
  const largest = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const difference = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0);
  return difference / largest;
}

async function runTrial(device: OrtDevice): Promise<Float32Array> {
  const { bytes } = blockGraph(
    trial,
    { length },
    { bind: (graph, part, shape) => graph.table(part, shape, wave(shape, part.length)) },
  );
  const session = await createSession(device, bytes);
  const { Tensor: OrtTensor } = loadRuntime();
  const dims = [2 * length, hiddenSize];
  const x: Tensor = new OrtTensor('float32', wave(dims, 1), dims);
  const outputs = await session.run({ x });
  const values = floatsOf(outputs['y']).slice();
  await session.release();
  return values;
}

/** Numbers without a pattern that a mistake could keep: around 0 for matrices, around 1 for norms. */
function wave(shape: readonly number[], seed: number): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const norm = shape.length === 1;
  return Float32Array.from({ length: count }, (_, i) => {
    const value = Math.sin((i + 1) * 12.9898 + seed) * Math.cos(i * 0.37 + 2 * seed);
    return norm ? 1 + 0.3 * value : 0.5 * value;
  });
}
