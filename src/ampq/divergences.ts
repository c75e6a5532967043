import type { Decoder, PassOptions } from '../graph/transformer/decoder';
import type { WeightChange } from '../graph/transformer/weights';
import { tokenDivergences } from '../evaluation/divergence';
import { joinArrays } from '../evaluation/joinArrays';
import { tensorsPerPass } from '../evaluation/passWork';
import { sumLogits } from '../evaluation/scoring';
import { mean, quantiles, share } from '../evaluation/statistics';
import type { ScoredInputs } from '../evaluation/windows';
import type { Spread } from '../protocol/targets';

export interface DivergenceOptions extends PassOptions {
  /** Bytes that states may take; tensors whose states do not fit are measured in another pass over the model. */
  readonly room: number;
}

/** Result of a pass over a text: KL divergences in nats per scored token. */
export interface Divergences {
  /** From the unchanged model, by the tensors' names in GGUF. */
  readonly byTensor: ReadonlyMap<string, number>;
  /** Of the unchanged model from itself when its states are rounded again at each block: what float32 cannot distinguish from zero. */
  readonly noise: number;
  /** −ln p of the text's tokens by the unchanged model, nats per token; and by chance, ln of the vocabulary. */
  readonly loss: number;
  readonly chance: number;
  /** Absent where no change can be told from noise. */
  readonly spread?: Spread;
}

/**
 * Effect of each change alone on the output: mean KL divergence from the unchanged model, nats per scored token. One pass over the
 * model serves many tensors: the states that a change leads to are carried along with the unchanged ones, so every block is read
 * once per tensor of its own and once for all others.
 * @param decoder the model, streamed; its weights are changed and restored.
 * @param base the same model, unchanged: its output matrix.
 * @param windows all of the decoder's length.
 * @param changes by the tensors' names in GGUF.
 */
export async function measureDivergences(
  decoder: Decoder,
  base: Decoder,
  windows: readonly ScoredInputs[],
  changes: ReadonlyMap<string, WeightChange>,
  { room, ...pass }: DivergenceOptions,
): Promise<Divergences> {
  const stateBytes = 4 * windows.length * decoder.length * decoder.shape.hiddenSize;
  const perPass = tensorsPerPass(stateBytes, room);
  const names = [...changes.keys()];
  const byTensor = new Map<string, number>();
  let [noise, loss] = [0, NaN];
  let figures: readonly ChangedOutput[] = [];
  for (let first = 0; first < names.length; first += perPass) {
    const some = new Map(names.slice(first, first + perPass).map((name) => [name, changes.get(name)!]));
    const found = await onePass(decoder, base, windows, some, pass);
    noise = Math.max(noise, found.noise);
    loss = found.loss;
    figures = [...figures, ...found.figures];
    for (const [name, divergence] of found.byTensor) byTensor.set(name, divergence);
  }
  const chance = Math.log(decoder.shape.vocabulary);
  return { byTensor, noise, loss, chance, ...spreadOf(figures, noise) };
}

/** What a change alone does to the output. */
interface ChangedOutput {
  readonly mean: number;
  readonly percentile99: number;
  /** Share of tokens whose most probable token is another one. */
  readonly topChanged: number;
}

interface PassResult extends Omit<Divergences, 'chance' | 'spread'> {
  readonly figures: readonly ChangedOutput[];
}

/** Of the changes that can be told from noise: quantiles in proportion to divergences, changed tokens to their roots. */
function spreadOf(figures: readonly ChangedOutput[], noise: number): Pick<Divergences, 'spread'> {
  const told = figures.filter(({ mean: value }) => value > noise);
  const total = (of: (item: ChangedOutput) => number): number =>
    told.reduce((sum, item) => sum + of(item), 0);
  const divergence = total((item) => item.mean);
  const spread = {
    percentile99: total((item) => item.percentile99) / divergence,
    topChanged: Math.sqrt(total((item) => item.topChanged ** 2) / divergence),
  };
  return Object.values(spread).every((value) => value > 0 && Number.isFinite(value)) ? { spread } : {};
}

async function onePass(
  decoder: Decoder,
  base: Decoder,
  windows: readonly ScoredInputs[],
  changes: ReadonlyMap<string, WeightChange>,
  pass: PassOptions,
): Promise<PassResult> {
  const join = (part: 'inputs' | 'targets'): Int32Array =>
    joinArrays(
      Int32Array,
      windows.map((window) => window[part]),
    );
  const states = new StateTable(decoder.shape.hiddenSize * windows.length * decoder.length, changes.size + 1);
  await enter(decoder, join('inputs'), changes, states, pass);
  for (const block of decoder.shape.blocks) {
    const own = [...changes.keys()].filter((name) => name.startsWith(`blk.${block.index}.`));
    const others = states.used;
    for (const name of own)
      await changed(decoder, name, changes, () => decoder.advanceBlock(block, states.fork(name), pass));
    await decoder.advanceBlock(block, others, pass);
    roundOnceMore(states.find(rounded)!);
  }
  await decoder.normalize(states.used, pass.signal);
  return score(decoder, base, join('targets'), changes, states, pass);
}

/** States before the first block, of the unchanged model and of a changed embedding. */
async function enter(
  decoder: Decoder,
  inputs: Int32Array,
  changes: ReadonlyMap<string, WeightChange>,
  states: StateTable,
  { signal }: PassOptions,
): Promise<void> {
  states.unchanged.set(await decoder.embed(inputs, signal));
  roundOnceMore(states.fork(rounded));
  const name = 'token_embd.weight';
  if (!changes.has(name)) return;
  await changed(decoder, name, changes, async () => {
    states.fork(name).set(await decoder.embed(inputs, signal));
  });
}

async function score(
  decoder: Decoder,
  base: Decoder,
  targets: Int32Array,
  changes: ReadonlyMap<string, WeightChange>,
  states: StateTable,
  pass: PassOptions,
): Promise<PassResult> {
  const { hiddenSize, output } = decoder.shape;
  const read = (firstToken: number, target: Float32Array): Promise<void> => {
    target.set(states.unchanged.subarray(firstToken * hiddenSize).subarray(0, target.length));
    return Promise.resolve();
  };
  const byTensor = new Map<string, number>();
  const figures: ChangedOutput[] = [];
  let loss = NaN;
  for (const name of [rounded, ...changes.keys()]) {
    const own = states.find(name) ?? (name === output ? states.unchanged : undefined);
    if (!own) continue;
    const wave = { states: own, targets, firstToken: 0 };
    const sumAll = () => sumLogits(decoder, wave, { decoder: base, read }, pass);
    const sums = name === output ? await changed(decoder, name, changes, sumAll) : await sumAll();
    const { divergences, baseLosses, sameTop } = tokenDivergences(sums);
    const value = mean(divergences).value;
    byTensor.set(name, value);
    if (name !== rounded)
      figures.push({
        mean: value,
        percentile99: quantiles(divergences, [0.99])[0]!,
        topChanged: 1 - share(sameTop).value,
      });
    loss = mean(baseLosses).value;
  }
  const noise = byTensor.get(rounded)!;
  byTensor.delete(rounded);
  return { byTensor, noise, loss, figures };
}

/** Name of the states changed only by rounding; no tensor has it. */
const rounded = '';

/** Changes each value by less than a unit of its last place, as another order of sums would. */
function roundOnceMore(values: Float32Array): void {
  let random = 1;
  for (let i = 0; i < values.length; i++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    values[i]! *= 1 + (random / 2 ** 31 - 1) * 2 ** -23;
  }
}

async function changed<T>(
  { weights }: Decoder,
  name: string,
  changes: ReadonlyMap<string, WeightChange>,
  work: () => Promise<T>,
): Promise<T> {
  weights.replace(name, changes.get(name));
  try {
    return await work();
  } finally {
    weights.replace(name, undefined);
  }
}

/** States of the unchanged model, followed by those that each change has led to, in one array. */
class StateTable {
  private readonly values: Float32Array;
  private readonly names: string[] = [];

  constructor(
    private readonly size: number,
    forks: number,
  ) {
    this.values = new Float32Array(size * (1 + forks));
  }

  get unchanged(): Float32Array {
    return this.values.subarray(0, this.size);
  }

  /** All states. */
  get used(): Float32Array {
    return this.values.subarray(0, this.size * (1 + this.names.length));
  }

  /** States of a change that starts here: a copy of the unchanged ones. */
  fork(name: string): Float32Array {
    this.names.push(name);
    const states = this.find(name)!;
    states.set(this.unchanged);
    return states;
  }

  find(name: string): Float32Array | undefined {
    const index = this.names.indexOf(name);
    return index < 0 ? undefined : this.values.subarray((1 + index) * this.size, (2 + index) * this.size);
  }
}
