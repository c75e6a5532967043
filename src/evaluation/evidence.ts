import { takesOutputs, type ConvertedTensor } from '../architectures/convertedTensor';
import { blockTaps } from '../graph/transformer/blockGraph';
import type { Decoder } from '../graph/transformer/decoder';
import type { DecoderShape } from '../graph/transformer/decoderShape';
import type { TapKind } from '../graph/transformer/graphParts';
import type { States } from '../graph/transformer/states';
import type { InputStatistics } from '../graph/transformer/tapSums';
import { QuantscopeError } from '../model/errors';
import { matrixOf } from '../model/rows';
import type { EvidenceKind } from '../protocol/recipe';
import { maxCovariance } from '../quant/evidence';
import { backward } from './backward';
import type { OutputGradients } from './gradientSums';
import { mostRows } from './ownInputs';
import { embedWindows, type WaveOptions } from './scoring';
import type { ScoredInputs } from './windows';

/** Rows of each input that methods get as activations. */
export const sampledRows = 512;

/** What a pass measures besides sums: what the methods that will use it need. */
export interface EvidenceParts {
  readonly hessians: boolean;
  readonly activations: boolean;
  /** Covariances of the gradients at the outputs, by a backward pass. */
  readonly gradients: boolean;
}

export const partsFor = (kinds: Iterable<EvidenceKind>): EvidenceParts => {
  const all = new Set(kinds);
  const gradients = all.has('gradients');
  return { hessians: gradients || all.has('hessian'), activations: all.has('activations'), gradients };
};

/** What the graphs of a pass measure. */
export const tapsFor = ({ hessians, activations }: Omit<EvidenceParts, 'gradients'>): TapKind => ({
  grams: hessians,
  ...(activations ? { samples: sampledRows } : {}),
});

export interface EvidenceOptions extends Pick<WaveOptions, 'signal' | 'onStep' | 'windowsAtOnce'> {
  readonly parts: EvidenceParts;
  /** Room for the states of all windows, which pass a block together: what is measured of a block is complete when it is left. */
  readonly room: (tokens: number) => States;
  /** Receives what was measured, as soon as it is complete. */
  readonly keep: EvidenceKeeper;
}

/** Receives what a pass measures. */
export interface EvidenceKeeper {
  readonly onInput: (input: InputStatistics) => Promise<void>;
  readonly onOutput: (output: OutputGradients) => Promise<void>;
  /** Receives why gradients at other outputs than those before are not known. */
  readonly onStop: (reason: string) => void;
}

/**
 * Runs windows through a model and measures the inputs of all matrices, the output matrix included, and the gradients at their outputs where
 * these are needed and can pass the model's operators. Memory is bounded by a block.
 */
export async function measureEvidence(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  options: EvidenceOptions,
): Promise<void> {
  await measureInputs(decoder, windows, options);
  if (!options.parts.gradients) return;
  const { keep, ...pass } = options;
  try {
    await backward(decoder, windows, { ...pass, onOutput: keep.onOutput });
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code !== 'UNSUPPORTED') throw error;
    keep.onStop(error.message);
  }
}

async function measureInputs(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  { parts, room, keep, windowsAtOnce, ...pass }: EvidenceOptions,
): Promise<void> {
  const taps = { kind: tapsFor(parts), onStatistics: keep.onInput };
  const states = room(windows.length * decoder.length);
  try {
    await embedWindows(decoder, windows, states, { windowsAtOnce, signal: pass.signal });
    const normed = await decoder.advance(states, { ...pass, taps });
    await decoder.tapOutput(normed, { taps, signal: pass.signal });
  } finally {
    states.close();
  }
}

/** What a pass measures; inputs and outputs of experts are there once for each. */
export interface MeasuredSizes {
  /** Channels of the inputs. */
  readonly inputs: readonly number[];
  readonly outputs: readonly OutputSize[];
}

export interface OutputSize {
  /** Channels. */
  readonly rows: number;
  /** Whether their covariance is kept, not the diagonal alone. */
  readonly covariance: boolean;
  /** Of the output matrix. */
  readonly own?: OwnSize;
}

/** Inputs that count for single rows. */
export interface OwnSize {
  readonly tokens: number;
  readonly columns: number;
  readonly samples: number;
}

/** What a pass over so many tokens measures at most. */
export function measuredSizes(
  { blocks, hiddenSize, vocabulary }: DecoderShape,
  tokens: number,
): MeasuredSizes {
  const taps = blocks.flatMap((block) => {
    const { dense, ofExpert } = blockTaps(block);
    const experts = Array.from({ length: block.experts?.count ?? 0 }, () => ofExpert);
    return [...dense, ...experts.flat()]
      .flatMap((tap) => Array.from({ length: tap.members ?? 1 }, () => tap))
      .map((tap) => ({ ...tap, block }));
  });
  const rows = taps.flatMap(({ parts, block }) =>
    parts.flatMap((part) => block.tensors.get(part)?.at(-2) ?? []),
  );
  return {
    inputs: [...taps.map((tap) => tap.columns), hiddenSize],
    outputs: [
      ...rows.map((count) => ({ rows: count, covariance: count <= maxCovariance })),
      {
        ...{ rows: vocabulary, covariance: false },
        own: { tokens, columns: hiddenSize, samples: tokens * mostRows },
      },
    ],
  };
}

/**
 * Bytes of what is kept: of inputs float64 sums, XᵀX on and below its diagonal in float32, sampled rows in float32; of outputs the covariance
 * likewise, or its diagonal in float32, and inputs of single rows in float32 with two numbers of four bytes for each sample.
 */
export function evidenceBytes(
  { inputs, outputs }: MeasuredSizes,
  { hessians, activations, gradients }: EvidenceParts,
): number {
  const ofInput = (n: number): number =>
    3 * 8 * n + (hessians ? 4 * triangle(n) : 0) + (activations ? 4 * sampledRows * n : 0);
  const ofOwn = (rows: number, { tokens, columns, samples }: OwnSize): number =>
    4 * (tokens * columns + rows + 1 + 2 * samples);
  const ofOutput = ({ rows, covariance, own }: OutputSize): number =>
    4 * (covariance ? triangle(rows) : rows) + (own ? ofOwn(rows, own) : 0);
  const sum = (bytes: readonly number[]): number => bytes.reduce((total, some) => total + some, 0);
  return sum(inputs.map(ofInput)) + (gradients ? sum(outputs.map(ofOutput)) : 0);
}

/** Entries of a symmetric matrix on and below its diagonal. */
export const triangle = (n: number): number => (n * (n + 1)) / 2;

/** A measured input as an index has it. */
type Measured = Pick<InputStatistics, 'tensors' | 'expert'>;

/** Which measured inputs belong to the tensors of a checkpoint. */
export interface InputsByTensor<Input> {
  /**
   * For each expert that a tensor holds, in their order (one where it holds none), the inputs that count for it: its own, or those of all
   * experts where no token reached it. One whose inputs are no inputs of its source (`takesOutputs`) is there by its name in GGUF.
   */
  readonly inputs: ReadonlyMap<string, readonly (readonly Input[])[]>;
  /** Experts that no token reached. */
  readonly unreached: number;
}

/** @param inputs with the matrices that each goes into, by their names in GGUF. */
export function inputsByTensor<Input extends Measured>(
  tensors: readonly ConvertedTensor[],
  inputs: readonly Input[],
): InputsByTensor<Input> {
  const measured = new Map<string, Map<number, Input>>();
  for (const input of inputs)
    for (const name of input.tensors) {
      const experts = measured.get(name) ?? new Map<number, Input>();
      measured.set(name, experts.set(input.expert ?? 0, input));
    }
  const found = new Map<string, readonly (readonly Input[])[]>();
  let unreached = 0;
  for (const converted of tensors) {
    const experts = measured.get(converted.name);
    if (!experts) continue;
    if (isRouted(converted.name)) unreached += expertsOf(converted) - experts.size;
    for (const [name, indices] of takesOutputs(converted) ? allOf(converted) : expertsOfSources(converted)) {
      const own = (index: number) => (experts.has(index) ? [experts.get(index)!] : [...experts.values()]);
      if (!found.has(name)) found.set(name, indices.map(own));
    }
  }
  return { inputs: found, unreached };
}

/** Whether a tensor has one matrix of each expert that tokens reach: three tensors of a block do. */
const isRouted = (name: string): boolean => name.endsWith('.ffn_down_exps.weight');

const expertsOf = ({ shape }: ConvertedTensor): number => (shape.length > 2 ? shape[0]! : 1);

/** All matrices of a tensor, by its own name. */
const allOf = (converted: ConvertedTensor): Map<string, number[]> =>
  new Map([[converted.name, Array.from({ length: expertsOf(converted) }, (_, index) => index)]]);

/** The experts whose rows each source of a tensor holds, in order; one of number 0 where there are none. */
function expertsOfSources(converted: ConvertedTensor): Map<string, number[]> {
  const perExpert = matrixOf(converted.shape).rows / expertsOf(converted);
  const found = new Map<string, number[]>();
  let row = 0;
  for (const { tensor, rows } of converted.pieces) {
    const indices = found.get(tensor.name) ?? [];
    for (let at = row; at < row + rows; at += perExpert - (at % perExpert)) {
      const expert = Math.floor(at / perExpert);
      if (!indices.includes(expert)) indices.push(expert);
    }
    found.set(tensor.name, indices);
    row += rows;
  }
  return found;
}
