import { ggufView } from '../../../architectures/ggufView';
import { throwIfCancelled } from '../../../model/errors';
import type { Model } from '../../../model/model';
import type { OrtDevice } from '../../session';
import { turn } from '../decoder';
import { floatTensor, GraphLoader, output, type LoadedGraph } from '../graphLoader';
import { Graphs } from '../graphs';
import type { NamedSource } from '../graphSources';
import { Weights, type WeightChanges } from '../weights';
import { encoderGraph } from './encoderGraph';
import { encoderShape, type EncoderBlock, type EncoderShape } from './encoderShape';

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
export class Encoder {
  private readonly graphs: Graphs;

  constructor(
    readonly shape: EncoderShape,
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
    return Math.min(this.shape.contextLength, maxTokens);
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
      const size = 4 * text.length * this.shape.hiddenSize;
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
    for (const block of this.shape.blocks)
      await this.graphs.using(this.source(block), signal, async (graph) => {
        for (const [i, x] of states.entries()) {
          throwIfCancelled(signal);
          states[i] = await this.advance(block, graph, x);
          onStep?.();
          await turn();
        }
      });
    const last = await this.normNamed('output_norm', signal);
    return states.map((x) => this.pool(last ? last(x) : x));
  }

  /** The states of a text before the first block: its tokens, their positions and their type together, normed. */
  private async start(text: Int32Array, rows: Rows, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { hiddenSize } = this.shape;
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
    const norm = await this.normNamed('token_embd_norm', signal);
    return norm ? norm(states) : states;
  }

  private async advance({ reach }: EncoderBlock, graph: LoadedGraph, x: Float32Array): Promise<Float32Array> {
    const n = x.length / this.shape.hiddenSize;
    const positions = () => ({
      positions: floatTensor(
        Float32Array.from({ length: n }, (_, i) => i),
        [n],
      ),
    });
    const inputs = { x: floatTensor(x, [n, this.shape.hiddenSize]) };
    return output(await graph.run(reach === undefined ? inputs : { ...inputs, ...positions() }), 'y');
  }

  private source(block: EncoderBlock): NamedSource {
    const { tensors, rotation, ...numbers } = block;
    const alike = [{ ...numbers, index: undefined }, rotation && [...rotation.frequencies], [...tensors]];
    return {
      name: `encoder block ${block.index}`,
      key: JSON.stringify(alike),
      build: (options) => encoderGraph(block, this.longest, options),
      tensor: (part) => `blk.${block.index}.${part}`,
    };
  }

  /** A layer norm outside the blocks, over rows of states; undefined where the model has none of that name. */
  private async normNamed(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<((states: Float32Array) => Float32Array) | undefined> {
    const { hiddenSize, epsilon } = this.shape;
    if (!this.weights.tensors.has(`${name}.weight`)) return undefined;
    const [weight, bias] = [new Float32Array(hiddenSize), new Float32Array(hiddenSize)];
    await this.weights.load(`${name}.weight`, weight, { signal });
    if (this.weights.tensors.has(`${name}.bias`)) await this.weights.load(`${name}.bias`, bias, { signal });
    return (states) => layerNorm(states, weight, bias, epsilon);
  }

  private pool(states: Float32Array): Float32Array {
    const { hiddenSize, pooling } = this.shape;
    if (pooling === 'first') return states.slice(0, hiddenSize);
    if (pooling === 'last') return states.slice(-hiddenSize);
    const sums = new Float64Array(hiddenSize);
    states.forEach((value, i) => (sums[i % hiddenSize]! += value));
    return Float32Array.from(sums, (sum) => (sum * hiddenSize) / states.length);
  }
}

/** (x − mean) / √(variance + ε) · weight + bias of each row. */
function layerNorm(
  states: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  epsilon: number,
): Float32Array {
  const size = weight.length;
  const result = new Float32Array(states.length);
  for (let start = 0; start < states.length; start += size) {
    const row = states.subarray(start, start + size);
    const mean = row.reduce((sum, x) => sum + x, 0) / size;
    const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / size;
    const factor = 1 / Math.sqrt(variance + epsilon);
    row.forEach((x, i) => (result[start + i] = (x - mean) * factor * weight[i]! + bias[i]!));
  }
  return result;
}

/**
 * Makes a model ready to embed texts, its weights by `changes`.
 * @throws QuantscopeError UNSUPPORTED for an architecture that cannot be run, MODEL_FILE for a model that lacks something.
 */
export async function openEncoder(
  model: Model,
  { device, changes }: { readonly device: OrtDevice; readonly changes?: WeightChanges | undefined },
): Promise<Encoder> {
  const view = await ggufView(model);
  const weights = new Weights(model, view, changes);
  return new Encoder(encoderShape(view, weights.tensors, model.description.path), weights, device);
}
