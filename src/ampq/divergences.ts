import type { Decoder } from '../graph/transformer/decoder';
import type { PassOptions } from '../graph/transformer/pass';
import type { WeightChange, WeightChanges } from '../graph/transformer/weights';
import { entryTensors } from '../graph/transformer/entryGraph';
import { tokenDivergences, type TokenDivergences } from '../evaluation/divergence';
import { joinArrays } from '../evaluation/joinArrays';
import { tensorsPerPass } from '../evaluation/passWork';
import { keepScored, sumLogits } from '../evaluation/scoring';
import { mean, quantiles, share } from '../evaluation/statistics';
import type { ScoredInputs } from '../evaluation/windows';
import type { Spread } from '../protocol/targets';

export interface DivergenceOptions extends PassOptions {
  /** Bytes that states may take; tensors whose states do not fit are measured in another pass over the model. */
  readonly room: number;
  /** What all tensors become together, as of a plan: each change is then measured with all other tensors so changed. */
  readonly around?: WeightChanges;
}

/** What becomes of single tensors, by their names in GGUF; undefined: as the model has it. */
export type SingleChanges = ReadonlyMap<string, WeightChange | undefined>;

/** Result of a pass over a text: KL divergences in nats per scored token. */
export interface Divergences {
  /** From the unchanged model, by the tensors' names in GGUF. */
  readonly byTensor: ReadonlyMap<string, number>;
  /** With all changes of `around` and no other; absent without these. */
  readonly together?: number;
  /** What changes when states are rounded again at each block: what float32 cannot distinguish from zero. */
  readonly noise: number;
  /** −ln p of the text's tokens by the unchanged model, nats per token; and by chance, ln of the vocabulary. */
  readonly loss: number;
  readonly chance: number;
  /** Of single changes of the original; absent where none can be told from noise. */
  readonly spread?: Spread;
}

/**
 * Effect of each change alone, or beside those of `around`, on the output: mean KL divergence from the unchanged model, nats per scored token. One pass over the
 * model serves many tensors: the states that a change leads to are carried along with the unchanged ones, so every block is read
 * once per tensor of its own and once for all others.
 * @param decoder the model, streamed; its weights are changed and restored.
 * @param base the same model, unchanged: its output matrix.
 * @param windows all of the decoder's length; their scored positions count.
 */
export async function measureDivergences(
  decoder: Decoder,
  base: Decoder,
  windows: readonly ScoredInputs[],
  changes: SingleChanges,
  { room, around, ...pass }: DivergenceOptions,
): Promise<Divergences> {
  const stateBytes = 4 * windows.length * decoder.length * decoder.shape.stateSize;
  const perPass = tensorsPerPass(stateBytes, room, around !== undefined);
  const names = [...changes.keys()];
  const run: PassRun = { decoder, base, windows, around, pass };
  const byTensor = new Map<string, number>();
  let [noise, loss] = [0, NaN];
  let together: number | undefined;
  let figures: readonly ChangedOutput[] = [];
  for (const [name, change] of around ?? []) decoder.weights.replace(name, change);
  try {
    // Once without changes, too: for the loss of the text.
    for (let first = 0; first === 0 || first < names.length; first += perPass) {
      const some = new Map(names.slice(first, first + perPass).map((name) => [name, changes.get(name)]));
      const found = await onePass(run, some);
      noise = Math.max(noise, found.noise);
      ({ loss, together } = found);
      figures = [...figures, ...found.figures];
      for (const [name, divergence] of found.byTensor) byTensor.set(name, divergence);
    }
  } finally {
    for (const name of around?.keys() ?? []) decoder.weights.replace(name, undefined);
  }
  const chance = Math.log(decoder.shape.vocabulary);
  const found = { byTensor, noise, loss, chance };
  return together === undefined ? { ...found, ...spreadOf(figures, noise) } : { ...found, together };
}

/** What all passes over a text have in common. */
interface PassRun {
  readonly decoder: Decoder;
  readonly base: Decoder;
  readonly windows: readonly ScoredInputs[];
  readonly around: WeightChanges | undefined;
  readonly pass: PassOptions;
}

/** What a change alone does to the output. */
interface ChangedOutput {
  readonly mean: number;
  readonly percentile99: number;
  /** Share of tokens whose most probable token is another one. */
  readonly topChanged: number;
}

interface PassResult extends Omit<Divergences, 'chance' | 'spread' | 'together'> {
  readonly together: number | undefined;
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

async function onePass(run: PassRun, changes: SingleChanges): Promise<PassResult> {
  const { decoder, base, windows, around, pass } = run;
  const inputs = joinArrays(
    Int32Array,
    windows.map((window) => window.inputs),
  );
  const states = new StateTable(inputs.length * decoder.shape.stateSize, changes.size + 1);
  await enter(run, inputs, changes, states);
  // Those that all divergences are from.
  const original = around ? await base.embed(inputs, pass.signal) : states.first;
  for (const block of decoder.shape.blocks) {
    const own = [...changes.keys()].filter((name) => name.startsWith(`blk.${block.index}.`));
    const others = states.used;
    for (const name of own)
      await changed(run, name, changes, () => decoder.advanceBlock(block, states.fork(name), pass));
    await decoder.advanceBlock(block, others, pass);
    if (around) await base.advanceBlock(block, original, pass);
    roundOnceMore(states.find(rounded)!);
  }
  states.become(await decoder.normalize(states.used, pass.signal));
  return score(run, around ? await base.normalize(original, pass.signal) : states.first, changes, states);
}

/** States before the first block, of the model that changes start from and of each change before it. */
async function enter(
  run: PassRun,
  inputs: Int32Array,
  changes: SingleChanges,
  states: StateTable,
): Promise<void> {
  const { decoder, pass } = run;
  states.first.set(await decoder.embed(inputs, pass.signal));
  roundOnceMore(states.fork(rounded));
  for (const name of entryTensors(decoder.shape)) {
    if (!changes.has(name)) continue;
    await changed(run, name, changes, async () => {
      states.fork(name).set(await decoder.embed(inputs, pass.signal));
    });
  }
}

async function score(
  run: PassRun,
  original: Float32Array,
  changes: SingleChanges,
  states: StateTable,
): Promise<PassResult> {
  const { decoder, base, windows, around, pass } = run;
  const { hiddenSize, output } = decoder.shape;
  const positions = joinArrays(
    Int32Array,
    windows.map((window) => window.targets),
  );
  const targets = positions.filter((target) => target >= 0);
  for (const own of [...states.all, ...(around ? [original] : [])]) keepScored(own, positions, hiddenSize);
  const read = (firstToken: number, target: Float32Array): Promise<void> => {
    target.set(original.subarray(firstToken * hiddenSize).subarray(0, target.length));
    return Promise.resolve();
  };
  const compare = async (all: Float32Array): Promise<TokenDivergences> => {
    const wave = { states: all.subarray(0, targets.length * hiddenSize), targets, firstToken: 0 };
    return tokenDivergences(await sumLogits(decoder, wave, { decoder: base, read }, pass));
  };
  const meanOf = ({ divergences }: TokenDivergences): number => mean(divergences).value;
  const moved = await compare(states.find(rounded)!);
  const together = around && meanOf(await compare(states.first));
  const byTensor = new Map<string, number>();
  const figures: ChangedOutput[] = [];
  for (const name of changes.keys()) {
    const own = states.find(name) ?? (name === output ? states.first : undefined);
    if (!own) continue;
    const found = await (name === output ? changed(run, name, changes, () => compare(own)) : compare(own));
    const { divergences, sameTop } = found;
    byTensor.set(name, meanOf(found));
    figures.push({
      mean: meanOf(found),
      percentile99: quantiles(divergences, [0.99])[0]!,
      topChanged: 1 - share(sameTop).value,
    });
  }
  const noise = Math.abs(meanOf(moved) - (together ?? 0));
  return { byTensor, together, noise, loss: mean(moved.baseLosses).value, figures };
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

/** Does work with one tensor changed. */
async function changed<T>(
  { decoder: { weights }, around }: PassRun,
  name: string,
  changes: SingleChanges,
  work: () => Promise<T>,
): Promise<T> {
  weights.replace(name, changes.get(name));
  try {
    return await work();
  } finally {
    weights.replace(name, around?.get(name));
  }
}

/** States of the model that changes start from, followed by those that each change has led to, in one array. */
class StateTable {
  private values: Float32Array;
  private readonly names: string[] = [];

  constructor(
    private size: number,
    forks: number,
  ) {
    this.values = new Float32Array(size * (1 + forks));
  }

  get first(): Float32Array {
    return this.values.subarray(0, this.size);
  }

  /** All states, one change after the other. */
  get all(): readonly Float32Array[] {
    return [this.first, ...this.names.map((name) => this.find(name)!)];
  }

  /** The same in one array. */
  get used(): Float32Array {
    return this.values.subarray(0, this.size * (1 + this.names.length));
  }

  /** Replaces all states by as many of another width. */
  become(values: Float32Array): void {
    this.values = values;
    this.size = values.length / (1 + this.names.length);
  }

  /** States of a change that starts here: a copy of the first ones. */
  fork(name: string): Float32Array {
    this.names.push(name);
    const states = this.find(name)!;
    states.set(this.first);
    return states;
  }

  find(name: string): Float32Array | undefined {
    const index = this.names.indexOf(name);
    return index < 0 ? undefined : this.values.subarray((1 + index) * this.size, (2 + index) * this.size);
  }
}
