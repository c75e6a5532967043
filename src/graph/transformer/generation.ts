import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import { loadRuntime } from '../session';
import type { BlockShape } from './blockShape';
import type { Decoder } from './decoder';
import { floatTensor, output, type LoadedGraph } from './graphLoader';
import type { NamedSource } from './graphSources';
import { takesPosition } from './attention';
import { keptStates } from './mixers';
import { turn, type PassOptions } from './pass';
import { queriesAtOnce } from './softmaxAttention';
import { MemoryStates } from './states';

/** What a block keeps of earlier tokens, by name: keys and values, and the states of other mixers. */
type Kept = Readonly<Record<string, Float32Array>>;

/** Tokens that go through a graph at a time, and through all blocks, whose weights are read once for these. */
const [tokensPerRun, tokensPerPass] = [queriesAtOnce, 8 * queriesAtOnce];

/** Text that grows: states of earlier tokens are kept, so that further ones cost one pass over the weights. */
export class Generation {
  private past: readonly Kept[];
  private position = 0;

  /** @param positions most tokens that the text will have. */
  constructor(
    private readonly decoder: Decoder,
    private readonly positions: number,
  ) {
    this.past = decoder.shape.blocks.map((block) => zeros(block, 0));
  }

  /** Tokens of the text. */
  get length(): number {
    return this.position;
  }

  /** The same text with a continuation of its own. States so far are shared: none is ever changed. */
  fork(): Generation {
    const other = new Generation(this.decoder, this.positions);
    other.past = this.past;
    other.position = this.position;
    return other;
  }

  /** Whether blocks keep nothing but keys and values: a state of all tokens cannot be cut. */
  get canBeCut(): boolean {
    return this.decoder.shape.blocks.every(keepsEachToken);
  }

  /** What the text begins with, as a text of its own; undefined where that is less than all of it and it cannot be cut. */
  upTo(tokens: number): Generation | undefined {
    const other = this.fork();
    if (tokens === this.position) return other;
    if (!this.canBeCut) return undefined;
    const { blocks } = this.decoder.shape;
    other.position = tokens;
    other.past = this.past.map((kept, i) => cut(kept, blocks[i]!, this.position, tokens));
    return other;
  }

  /** Takes the text to have so many tokens, with states of zero: their number decides the speed, not their values. */
  pretend(tokens: number): void {
    this.position = tokens;
    this.past = this.decoder.shape.blocks.map((block) => zeros(block, tokens));
  }

  /**
   * Takes more tokens. Where that fails, the text is as before.
   * @param tokens at least one.
   * @param pass its steps are runs of a block's graph, `stepsOfTokens` in all.
   * @returns logits of what follows them.
   * @throws QuantscopeError CANCELLED.
   */
  async next(tokens: Int32Array, pass: PassOptions = {}): Promise<Float32Array> {
    const { decoder } = this;
    const work = this.fork();
    let state: Float32Array | undefined;
    for (let first = 0; first < tokens.length; first += tokensPerPass)
      state = await work.advance(tokens.subarray(first, first + tokensPerPass), pass);
    const logits = await this.logits(await decoder.normalize(state!, pass.signal), pass.signal);
    [this.past, this.position] = [work.past, work.position];
    return logits;
  }

  /** Takes more tokens, block by block. @returns the state of the last one after the last block. */
  private async advance(tokens: Int32Array, pass: PassOptions): Promise<Float32Array> {
    const { shape, graphs, sources, embeddings } = this.decoder;
    const states = new MemoryStates(await embeddings.of(tokens, pass.signal), shape.stateSize);
    const past: Kept[] = [];
    const usedOnce: NamedSource[] = [];
    try {
      for (const block of shape.blocks) {
        const run = new BlockRun(this.decoder, block, states, this.past[block.index]!, this.positions);
        for (const { first, length, count } of runsOf(tokens.length)) {
          const source = sources.next(block, { length, positions: this.positions });
          const work = async (graph: LoadedGraph): Promise<void> => {
            for (let i = 0; i < count; i++)
              await run.take(graph, { first: first + i * length, length }, this.position, pass);
          };
          if (length === 1) await graphs.using(source, pass.signal, work);
          else {
            usedOnce.push(source);
            await graphs.usingOnce(source, pass.signal, work);
          }
        }
        past.push(await run.finish(pass));
      }
    } finally {
      await graphs.forget(usedOnce);
    }
    [this.past, this.position] = [past, this.position + tokens.length];
    return states.read(tokens.length - 1, 1);
  }

  private async logits(state: Float32Array, signal: AbortSignal | undefined): Promise<Float32Array> {
    const logits = new Float32Array(this.decoder.shape.vocabulary);
    for await (const slice of this.decoder.logitSlices(signal)) {
      logits.set(await slice.run(state), slice.first);
    }
    return logits;
  }
}

/** Runs of a block's graph that so many tokens take in all. */
export function stepsOfTokens({ shape }: Pick<Decoder, 'shape'>, tokens: number): number {
  return Math.ceil(tokens / tokensPerRun) * shape.blocks.length;
}

/** How so many tokens go through a graph: as many as are suited at a time, then the rest. */
function runsOf(tokens: number) {
  const count = Math.floor(tokens / tokensPerRun);
  const first = count * tokensPerRun;
  return [
    { first: 0, length: tokensPerRun, count },
    { first, length: tokens - first, count: 1 },
  ].filter(({ length, count: times }) => length * times > 0);
}

/** More tokens of a text on their way through one block. */
class BlockRun {
  /** Of a block with experts: their inputs, and the router's logits. */
  private readonly routed: MemoryStates;
  private readonly router: Float32Array;

  constructor(
    private readonly decoder: Decoder,
    private readonly block: BlockShape,
    private readonly states: MemoryStates,
    private past: Kept,
    private readonly positions: number,
  ) {
    const { experts, hiddenSize } = block;
    const count = experts?.count ?? 0;
    this.routed = new MemoryStates(new Float32Array(experts ? states.tokens * hiddenSize : 0), hiddenSize);
    this.router = new Float32Array(states.tokens * count);
  }

  /** Some tokens. @param before tokens of the text before all of these. */
  async take(
    graph: LoadedGraph,
    { first, length }: { readonly first: number; readonly length: number },
    before: number,
    { signal, onStep }: PassOptions,
  ): Promise<void> {
    throwIfCancelled(signal);
    const { block, states } = this;
    const outputs = await graph.run({
      x: floatTensor(states.read(first, length), [length, states.width]),
      ...(takesPosition(block, this.positions) ? { position: positionTensor(before + first) } : {}),
      ...this.pastOf(before + first),
    });
    states.write(first, output(outputs, 'y'));
    const kept = Object.keys(this.past).map((name) => [name, output(outputs, name)] as const);
    this.past = Object.fromEntries(kept);
    if (block.experts) {
      this.routed.write(first, output(outputs, 'routed'));
      this.router.set(output(outputs, 'router'), first * block.experts.count);
    }
    onStep?.(`block ${block.index + 1} of ${this.decoder.shape.blocks.length}`);
    await turn();
  }

  /** Runs the experts, after all tokens. @returns what the block keeps. */
  async finish({ signal }: PassOptions): Promise<Kept> {
    const { block, states, routed, router } = this;
    if (block.experts) await this.decoder.experts.end(block, states, { routed, router }, { signal });
    return this.past;
  }

  /** Inputs of a block's graph. */
  private pastOf(position: number): Record<string, Tensor> {
    const inputs = Object.entries(keptStates(this.block, position)).map(
      ([name, dims]) => [`past_${name}`, floatTensor(this.past[name]!, dims)] as const,
    );
    return Object.fromEntries(inputs);
  }
}

/** Whether all that a block keeps is of one token each: `[1, heads, tokens, size]`. */
const keepsEachToken = (block: BlockShape): boolean =>
  Object.values(keptStates(block, 0)).every((dims) => dims[2] === 0);

/** The first tokens of what such a block keeps. */
function cut(kept: Kept, block: BlockShape, all: number, tokens: number): Kept {
  const parts = Object.entries(keptStates(block, tokens)).map(([name, dims]) => {
    const [, heads = 0, , size = 0] = dims;
    const values = new Float32Array(heads * tokens * size);
    for (let head = 0; head < heads; head++) {
      const first = head * all * size;
      values.set(kept[name]!.subarray(first, first + tokens * size), head * tokens * size);
    }
    return [name, values] as const;
  });
  return Object.fromEntries(parts);
}

function zeros(block: BlockShape, positions: number): Kept {
  const states = Object.entries(keptStates(block, positions)).map(([name, dims]) => {
    const size = dims.reduce((product, dimension) => product * dimension, 1);
    return [name, new Float32Array(size)] as const;
  });
  return Object.fromEntries(states);
}

function positionTensor(position: number): Tensor {
  const { Tensor: OrtTensor } = loadRuntime();
  return new OrtTensor('int64', BigInt64Array.of(BigInt(position)), [1]);
}
