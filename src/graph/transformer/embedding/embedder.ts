import { ggufView } from '../../../architectures/ggufView';
import { encoderOf } from '../../../architectures/registry';
import { throwIfCancelled } from '../../../model/errors';
import type { Model } from '../../../model/model';
import type { OrtDevice } from '../../session';
import { floatTensor, GraphLoader, output, type LoadedGraph } from '../graphLoader';
import { Graphs } from '../graphs';
import { turn } from '../pass';
import { Weights, type WeightChanges } from '../weights';
import { decoderPass } from './decoderPass';
import { denseSource } from './denseLayers';
import type { EmbeddingPass, PassBlock } from './embeddingPass';
import { encoderPass } from './encoderPass';

/** Longer texts are cut: scores take memory that grows with the square of the length. */
const maxTokens = 2048;

/** Bytes of states of texts that pass a block together. */
const maxStates = 256 * 1024 * 1024;

/** Rows of tables that were looked up, by table. */
type Rows = Map<string, Map<number, Float32Array>>;

export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each text of a block. */
  readonly onStep?: (() => void) | undefined;
}

/** A model that embeds texts, on one of ONNX Runtime's devices; one block's weights are in memory at a time. Close it. */
export class Embedder {
  private readonly graphs: Graphs;

  constructor(
    readonly pass: EmbeddingPass,
    private readonly weights: Weights,
    device: OrtDevice,
  ) {
    this.graphs = new Graphs(
      new GraphLoader(weights, device, device === 'ort-cpu' ? 'fed' : 'held', false),
      false,
    );
  }

  /** Tokens that a text may have. */
  get longest(): number {
    return Math.min(this.pass.contextLength, maxTokens);
  }

  /**
   * One vector `[hidden]` for each text, not normalized.
   * @param texts tokens, at least one and at most `longest` of each text.
   */
  async embed(texts: readonly Int32Array[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    let all: Float32Array[] = [];
    let group: Int32Array[] = [];
    let bytes = 0;
    for (const text of texts) {
      const size = 4 * text.length * this.pass.hiddenSize;
      if (bytes + size > maxStates && group.length > 0) {
        all = [...all, ...(await this.embedGroup(group, options))];
        [group, bytes] = [[], 0];
      }
      group.push(text);
      bytes += size;
    }
    return group.length > 0 ? [...all, ...(await this.embedGroup(group, options))] : all;
  }

  close(): Promise<void> {
    return this.graphs.close();
  }

  private async embedGroup(texts: readonly Int32Array[], options: EmbedOptions): Promise<Float32Array[]> {
    const { signal, onStep } = options;
    const states: Float32Array[] = [];
    const rows: Rows = new Map();
    for (const text of texts) states.push(await this.start(text, rows, signal));
    for (const block of this.pass.blocks)
      await this.graphs.using(block.source(this.longest), signal, async (graph) => {
        for (const [i, x] of states.entries()) {
          throwIfCancelled(signal);
          states[i] = await this.advance(block, graph, x);
          onStep?.();
          await turn();
        }
      });
    const last = await this.normNamed('output_norm', signal);
    const pooled = states.map((x) => this.pool(last ? last(x) : x));
    return this.pass.dense.length === 0 ? pooled : this.projected(pooled, signal);
  }

  /** The states of a text before the first block: its tokens, their positions and their type together, normed. */
  private async start(text: Int32Array, rows: Rows, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { hiddenSize, embeddingScale } = this.pass;
    const states = new Float32Array(text.length * hiddenSize);
    const add = async (name: string, ids: Int32Array): Promise<void> => {
      if (!this.weights.tensors.has(name)) return;
      const known = rows.get(name) ?? new Map<number, Float32Array>();
      rows.set(name, known);
      await this.weights.lookUp(name, ids, known, signal);
      ids.forEach((id, position) => {
        const row = known.get(id)!;
        for (let i = 0; i < hiddenSize; i++) states[position * hiddenSize + i]! += row[i]!;
      });
    };
    await add('token_embd.weight', text);
    await add('token_types.weight', new Int32Array(text.length));
    await add('position_embd.weight', Int32Array.from(text.keys()));
    if (embeddingScale !== 1) for (let i = 0; i < states.length; i++) states[i]! *= embeddingScale;
    const norm = await this.normNamed('token_embd_norm', signal);
    return norm ? norm(states) : states;
  }

  private async advance(block: PassBlock, graph: LoadedGraph, x: Float32Array): Promise<Float32Array> {
    const n = x.length / this.pass.hiddenSize;
    const positions = () => ({
      positions: floatTensor(
        Float32Array.from({ length: n }, (_, i) => i),
        [n],
      ),
    });
    const inputs = { x: floatTensor(x, [n, this.pass.hiddenSize]) };
    return output(await graph.run(block.needsPositions ? { ...inputs, ...positions() } : inputs), 'y');
  }

  /** The dense layers after the pooling. */
  private async projected(
    pooled: readonly Float32Array[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const { hiddenSize } = this.pass;
    return this.graphs.using(denseSource(this.pass), signal, async (graph) => {
      const found: Float32Array[] = [];
      for (const x of pooled) {
        throwIfCancelled(signal);
        found.push(output(await graph.run({ x: floatTensor(x, [1, hiddenSize]) }), 'y').slice());
      }
      return found;
    });
  }

  /** A norm outside the blocks, over rows of states; undefined where the model has none of that name. */
  private async normNamed(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<((states: Float32Array) => Float32Array) | undefined> {
    const { hiddenSize, epsilon, centredNorms } = this.pass;
    if (!this.weights.tensors.has(`${name}.weight`)) return undefined;
    const [weight, bias] = [new Float32Array(hiddenSize), new Float32Array(hiddenSize)];
    await this.weights.load(`${name}.weight`, weight, { signal });
    if (this.weights.tensors.has(`${name}.bias`)) await this.weights.load(`${name}.bias`, bias, { signal });
    return (states) => normed(states, { weight, bias, epsilon, centred: centredNorms });
  }

  private pool(states: Float32Array): Float32Array {
    const { hiddenSize, pooling } = this.pass;
    if (pooling === 'first') return states.slice(0, hiddenSize);
    if (pooling === 'last') return states.slice(-hiddenSize);
    const sums = new Float64Array(hiddenSize);
    states.forEach((value, i) => (sums[i % hiddenSize]! += value));
    return Float32Array.from(sums, (sum) => (sum * hiddenSize) / states.length);
  }
}

interface RowNorm {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly epsilon: number;
  /** The mean is subtracted first. */
  readonly centred: boolean;
}

/** (x − mean) / √(variance + ε) · weight + bias of each row, or the same around 0. */
function normed(states: Float32Array, { weight, bias, epsilon, centred }: RowNorm): Float32Array {
  const size = weight.length;
  const result = new Float32Array(states.length);
  for (let start = 0; start < states.length; start += size) {
    const row = states.subarray(start, start + size);
    const centre = centred ? row.reduce((sum, x) => sum + x, 0) / size : 0;
    const spread = row.reduce((sum, x) => sum + (x - centre) ** 2, 0) / size;
    const factor = 1 / Math.sqrt(spread + epsilon);
    row.forEach((x, i) => (result[start + i] = (x - centre) * factor * weight[i]! + bias[i]!));
  }
  return result;
}

/**
 * Makes a model ready to embed texts, its weights by `changes`.
 * @throws QuantscopeError UNSUPPORTED for a model that does not embed texts or cannot be run, MODEL_FILE for one that lacks something.
 */
export async function openEmbedder(
  model: Model,
  { device, changes }: { readonly device: OrtDevice; readonly changes?: WeightChanges | undefined },
): Promise<Embedder> {
  const view = await ggufView(model);
  const encoder = encoderOf(view.architecture);
  if (encoder) {
    const weights = new Weights(model, view, changes);
    return new Embedder(encoderPass(view, encoder, weights.tensors, model.description.path), weights, device);
  }
  const { pass, weights } = await decoderPass(model, view, changes);
  return new Embedder(pass, weights, device);
}
