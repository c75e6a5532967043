import type { ConvertedTensor } from '../architectures/convertedTensor';
import { blockTaps } from '../graph/transformer/blockGraph';
import type { Decoder } from '../graph/transformer/decoder';
import type { DecoderShape } from '../graph/transformer/decoderShape';
import type { TapKind } from '../graph/transformer/graphParts';
import type { States } from '../graph/transformer/states';
import type { InputStatistics } from '../graph/transformer/tapSums';
import { matrixOf } from '../model/rows';
import type { EvidenceKind } from '../protocol/recipe';
import { embedWindows, type WaveOptions } from './scoring';
import type { ScoredInputs } from './windows';

/** Rows of each input that methods get as activations. */
export const sampledRows = 512;

/** What a pass measures besides sums: what the methods that will use it need. */
export interface EvidenceParts {
  readonly hessians: boolean;
  readonly activations: boolean;
}

export const partsFor = (kinds: Iterable<EvidenceKind>): EvidenceParts => {
  const all = new Set(kinds);
  return { hessians: all.has('hessian'), activations: all.has('activations') };
};

/** What the graphs of a pass measure. */
export const tapsFor = ({ hessians, activations }: EvidenceParts): TapKind => ({
  grams: hessians,
  ...(activations ? { samples: sampledRows } : {}),
});

export interface EvidenceOptions extends Pick<WaveOptions, 'signal' | 'onStep' | 'windowsAtOnce'> {
  readonly parts: EvidenceParts;
  /** Room for the states of all windows, which pass a block together: what is measured of a block is complete when it is left. */
  readonly room: (tokens: number) => States;
  /** Receives what was measured of each input, as soon as it is complete. */
  readonly onInput: (input: InputStatistics) => Promise<void>;
}

/** Runs windows through a model and measures the inputs of all matrices, the output matrix included. Memory is bounded by a block. */
export async function measureEvidence(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  { parts, room, onInput, windowsAtOnce, ...pass }: EvidenceOptions,
): Promise<void> {
  const taps = { kind: tapsFor(parts), onStatistics: onInput };
  const states = room(windows.length * decoder.length);
  try {
    await embedWindows(decoder, windows, states, { windowsAtOnce, signal: pass.signal });
    await decoder.advance(states, { ...pass, taps });
    await decoder.tapOutput(states, { taps, signal: pass.signal });
  } finally {
    states.close();
  }
}

/** Numbers of channels of all inputs that a pass measures; those of experts once for each. */
export function inputColumns({ blocks, hiddenSize }: DecoderShape): number[] {
  const columns = blocks.flatMap((block) => {
    const { dense, ofExpert } = blockTaps(block);
    const experts = Array.from({ length: block.experts?.count ?? 0 }, () => ofExpert);
    return [...dense, ...experts.flat()].map((tap) => tap.columns);
  });
  return [...columns, hiddenSize];
}

/** Bytes of what is kept of inputs: float64 sums, XᵀX below its diagonal in float32, sampled rows in float32. */
export function evidenceBytes(columns: readonly number[], { hessians, activations }: EvidenceParts): number {
  return columns.reduce(
    (sum, n) => sum + 3 * 8 * n + (hessians ? 4 * triangle(n) : 0) + (activations ? 4 * sampledRows * n : 0),
    0,
  );
}

/** Entries of a symmetric matrix on and below its diagonal. */
export const triangle = (n: number): number => (n * (n + 1)) / 2;

/** A measured input as an index has it. */
type Measured = Pick<InputStatistics, 'tensors' | 'expert'>;

/** Which measured inputs belong to the tensors of a checkpoint. */
export interface InputsByTensor<Input> {
  /**
   * For each expert that a tensor holds, in their order (one where it holds none), the inputs that count for it: its own, or those of all
   * experts where no token reached it.
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
    for (const [name, indices] of expertsOfSources(converted)) {
      const own = (index: number) => (experts.has(index) ? [experts.get(index)!] : [...experts.values()]);
      if (!found.has(name)) found.set(name, indices.map(own));
    }
  }
  return { inputs: found, unreached };
}

/** Whether a tensor has one matrix of each expert that tokens reach: three tensors of a block do. */
const isRouted = (name: string): boolean => name.endsWith('.ffn_down_exps.weight');

const expertsOf = ({ shape }: ConvertedTensor): number => (shape.length > 2 ? shape[0]! : 1);

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
