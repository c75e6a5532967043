import type { Decoder, LogitSlice } from '../graph/transformer/decoder';
import type { PassOptions } from '../graph/transformer/pass';
import type { States } from '../graph/transformer/states';
import { loadNative } from '../native';
import { sumsPerToken } from './divergence';
import { joinArrays } from './joinArrays';
import type { ScoredInputs } from './windows';

/** States of some windows after the last norm, at the scored positions only. */
export interface ScoredStates {
  /** `[tokens, hidden]`. */
  readonly states: Float32Array;
  /** The token that each position has to predict. */
  readonly targets: Int32Array;
  /** Scored tokens before these. */
  readonly firstToken: number;
}

export interface WaveOptions extends PassOptions {
  /** Windows that go through the model together: all of them pass a block before the next block is loaded. */
  readonly windowsAtOnce: number;
  /** Receives the states of all positions after the last norm: wave by wave, or those of `allStates`. */
  readonly onStates?: (states: Float32Array | States) => Promise<void>;
  /** Makes room for the states of all windows, which pass a block together then, whatever `windowsAtOnce`. */
  readonly allStates?: ((tokens: number) => States) | undefined;
}

/** Runs windows of equal length through the model: all together, or wave by wave. */
export async function* scoredStates(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  options: WaveOptions,
): AsyncGenerator<ScoredStates> {
  const { onStates, allStates, windowsAtOnce, ...pass } = options;
  const room = allStates?.(windows.length * decoder.length);
  let firstToken = 0;
  try {
    if (room) await embedWindows(decoder, windows, room, { windowsAtOnce, signal: pass.signal });
    const all = room && (await decoder.advance(room, pass));
    if (all) await onStates?.(all);
    for (const { first, wave } of wavesOf(windows, windowsAtOnce)) {
      const states = all
        ? all.read(first * decoder.length, wave.length * decoder.length)
        : await decoder.advance(await embed(decoder, wave, pass.signal), pass);
      if (!all) await onStates?.(states);
      const scored = scoredOf(wave, states, decoder.shape.hiddenSize, firstToken);
      yield scored;
      firstToken += scored.targets.length;
    }
  } finally {
    room?.close();
  }
}

/** Writes the states of all windows before the first block. */
export async function embedWindows(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  states: States,
  { windowsAtOnce, signal }: Pick<WaveOptions, 'windowsAtOnce' | 'signal'>,
): Promise<void> {
  for (const { first, wave } of wavesOf(windows, windowsAtOnce))
    states.write(first * decoder.length, await embed(decoder, wave, signal));
}

function* wavesOf(windows: readonly ScoredInputs[], windowsAtOnce: number) {
  for (let first = 0; first < windows.length; first += windowsAtOnce)
    yield { first, wave: windows.slice(first, first + windowsAtOnce) };
}

function embed(
  decoder: Decoder,
  wave: readonly ScoredInputs[],
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const inputs = wave.map((window) => window.inputs);
  return decoder.embed(joinArrays(Int32Array, inputs), signal);
}

/** The scored positions of a wave; the states are moved. */
export function scoredOf(
  wave: readonly ScoredInputs[],
  states: Float32Array,
  hiddenSize: number,
  firstToken: number,
): ScoredStates {
  const all = joinArrays(
    Int32Array,
    wave.map((window) => window.targets),
  );
  const targets = all.filter((target) => target >= 0);
  keepScored(states, all, hiddenSize);
  return { states: states.subarray(0, targets.length * hiddenSize), targets, firstToken };
}

/** Moves the rows of scored positions to the front. */
export function keepScored(states: Float32Array, targets: Int32Array, hiddenSize: number): void {
  let kept = 0;
  targets.forEach((target, row) => {
    if (target < 0) return;
    states.copyWithin(kept * hiddenSize, row * hiddenSize, (row + 1) * hiddenSize);
    kept += 1;
  });
}

/** Another model's states of the same tokens, and what turns them into logits. */
export interface ScoreBase {
  readonly decoder: Decoder;
  /** Fills `target` with the states of scored tokens from `firstToken` on. */
  read(firstToken: number, target: Float32Array): Promise<void>;
}

/**
 * Sums over the logits of some tokens, slice by slice of the vocabulary.
 * @returns `[tokens, 9]`, see `accumulateLogits` of the addon.
 */
export async function sumLogits(
  decoder: Decoder,
  { states, targets, firstToken }: ScoredStates,
  base: ScoreBase | undefined,
  { signal, onStep }: PassOptions = {},
): Promise<Float64Array> {
  const { hiddenSize } = decoder.shape;
  const sums = new Float64Array(targets.length * sumsPerToken);
  const perRun = decoder.tokensPerRun;
  const baseSlices = base?.decoder.logitSlices(signal);
  try {
    for await (const slice of decoder.logitSlices(signal)) {
      const baseSlice = await next(baseSlices);
      for (let row = 0; row < targets.length; row += perRun) {
        const end = Math.min(targets.length, row + perRun);
        const logits = await slice.run(states.subarray(row * hiddenSize, end * hiddenSize));
        const baseLogits =
          base && baseSlice && (await logitsOf(base, baseSlice, firstToken + row, end - row));
        await loadNative().accumulateLogits(
          ...([logits, baseLogits, slice.count, slice.first, targets.subarray(row, end)] as const),
          sums.subarray(row * sumsPerToken, end * sumsPerToken),
          signal,
        );
        onStep?.('output');
      }
    }
  } finally {
    await baseSlices?.return(undefined);
  }
  return sums;
}

async function logitsOf(
  base: ScoreBase,
  slice: LogitSlice,
  firstToken: number,
  count: number,
): Promise<Float32Array> {
  const states = new Float32Array(count * base.decoder.shape.hiddenSize);
  await base.read(firstToken, states);
  return slice.run(states);
}

async function next(slices: AsyncGenerator<LogitSlice> | undefined): Promise<LogitSlice | undefined> {
  const step = await slices?.next();
  return step && !step.done ? step.value : undefined;
}
