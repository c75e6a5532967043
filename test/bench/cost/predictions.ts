import { evidenceBytes, type EvidenceParts } from '../../../src/evaluation/evidence';
import { mostRows } from '../../../src/evaluation/ownInputs';
import {
  evidenceWork,
  gainsWork,
  secondsOf,
  stepPasses,
  type Work,
  type WorkSeconds,
} from '../../../src/evaluation/passWork';
import { codesMethod } from '../../../src/exporter/codes/codeFinder';
import { outputCandidates } from '../../../src/ampq/sensitivity';
import type { GgmlQuantType } from '../../../src/protocol/ggmlTypes';
import type { Objective } from '../../../src/protocol/export';
import { maxCovariance } from '../../../src/quant/evidence';
import { blockMatrices, blockWeights, type LlamaSizes } from '../evaluation/randomLlama';

/** What one core does in a second. */
export interface CoreRates {
  /** Multiplications and additions, each counted as two operations: in a block, with Hessians, and in the output matrix. */
  readonly block: number;
  readonly tapped: number;
  readonly output: number;
  /** Bytes of float32 weights that are read and decoded. */
  readonly load: number;
  /** Numbers that a refinement moves, on one core whatever their number. */
  readonly moved: number;
}

/** Operations of one window in a block: products with weights, and with keys and values. */
export const blockOperations = (sizes: LlamaSizes): number =>
  2 * sizes.context * (blockWeights(sizes) + 2 * sizes.context * sizes.hidden);

/** The same with the Hessians of the four inputs of a block. */
export const tappedOperations = (sizes: LlamaSizes): number =>
  blockOperations(sizes) + 2 * sizes.context * (3 * sizes.hidden ** 2 + sizes.feedForward ** 2);

/** Logits of a window, of the unchanged states and the changed ones. */
export const outputOperations = ({ context, hidden, vocabulary }: LlamaSizes): number =>
  2 * 2 * context * hidden * vocabulary;

export const blockBytes = (sizes: LlamaSizes): number => 4 * blockWeights(sizes);

export function secondsFor(sizes: LlamaSizes, rates: CoreRates, tapped: boolean): WorkSeconds {
  return {
    window: tapped ? tappedOperations(sizes) / rates.tapped : blockOperations(sizes) / rates.block,
    load: blockBytes(sizes) / rates.load,
    output: outputOperations(sizes) / rates.output,
  };
}

/** An evaluation of some sets of weights against the states of one unchanged model. */
const evaluationWork = (blocks: number, windows: number, sets: number): Work => ({
  windows: blocks * windows * (1 + sets),
  loads: blocks * (1 + sets),
  outputs: windows * sets,
});

/** Steps of a refinement. */
export const refinementWork = (blocks: number, windowsOfStep: number, steps: number): Work => ({
  windows: stepPasses * blocks * windowsOfStep * steps,
  loads: 2 * blocks * steps,
  outputs: stepPasses * windowsOfStep * steps,
});

/** What a user does with a model: tokens of gains, of evidence and of certificates, steps of a refinement. */
export const usual = { gains: 2048, evidence: 65_536, certificate: 49_152, rivals: 6, steps: 200, batch: 4 };

export interface Predicted {
  /** Seconds of one core; two-sided codes on `cores`, as rows wait for each other. */
  readonly cells: number;
  readonly gains: number;
  readonly passes: number;
  readonly hessians: number;
  readonly gradients: number;
  readonly oneSided: number;
  readonly twoSided: number;
  readonly certify: number;
  /** The passes of a refinement, and the moves of its numbers, which one core makes. */
  readonly refine: number;
  readonly moves: number;
  /** Bytes: states of gains in one pass, largest block and output matrix, evidence on disk, states of a backward pass. */
  readonly memory: { readonly states: number; readonly weights: number; readonly hessian: number };
  readonly disk: { readonly hessians: number; readonly gradients: number; readonly states: number };
}

/** What a model of these sizes costs, on one core. */
export function predict(sizes: LlamaSizes, rates: CoreRates): Predicted {
  const { blocks, context } = sizes;
  const windows = (tokens: number): number => tokens / context;
  const [plain, tapped] = [secondsFor(sizes, rates, false), secondsFor(sizes, rates, true)];
  const of = (work: Work): number => secondsOf(work, plain);
  const evidence = (hasGradients: boolean): number =>
    secondsOf(evidenceWork(blocks, windows(usual.evidence), hasGradients), tapped);
  const stateBytes = 4 * usual.gains * sizes.hidden;
  const gains = gainsWork({
    ...{ blocks, windows: windows(usual.gains), stateBytes, room: 4 * (2 ** 32 - 1) },
    tensors: [-1, undefined, ...Array.from({ length: 7 * blocks }, (_, i) => Math.floor(i / 7))],
  });
  const codes = (objective: Objective, types: readonly string[]): number =>
    types.reduce((sum, type) => sum + codesSeconds(sizes, type as GgmlQuantType, objective), 0);
  return {
    cells: codes(
      'one-sided',
      outputCandidates.filter((type) => type !== 'F16'),
    ),
    ...{ gains: of(gains), passes: gains.passes },
    ...{ hessians: evidence(false), gradients: evidence(true) },
    ...{ oneSided: codes('one-sided', ['Q4_K']), twoSided: codes('two-sided', ['Q4_K']) },
    certify: of(evaluationWork(blocks, windows(usual.certificate), usual.rivals)),
    refine: of(refinementWork(blocks, usual.batch, usual.steps)),
    moves: (usual.steps * weightsOf(sizes)) / rates.moved,
    ...{ memory: memoryOf(sizes, gains.stateBytes), disk: diskOf(sizes) },
  };
}

/** Of a model with an output matrix of its own. */
const weightsOf = (sizes: LlamaSizes): number =>
  sizes.blocks * blockWeights(sizes) + 2 * sizes.hidden * sizes.vocabulary;

/** Bytes of an entry of a Hessian in float64, of its factor, and of its tiles in float32. */
const hessianBytes = 8 + 2.25 + 4;

function memoryOf(sizes: LlamaSizes, states: number): Predicted['memory'] {
  const { hidden, vocabulary, feedForward } = sizes;
  return {
    states,
    weights: Math.max(blockBytes(sizes), 4 * hidden * vocabulary),
    hessian: hessianBytes * feedForward ** 2,
  };
}

function diskOf(sizes: LlamaSizes): Predicted['disk'] {
  const parts = (gradients: boolean): EvidenceParts => ({ hessians: true, activations: false, gradients });
  const measured = measuredOf(sizes);
  return {
    hessians: evidenceBytes(measured, parts(false)),
    gradients: evidenceBytes(measured, parts(true)),
    states: 4 * usual.evidence * sizes.hidden * (sizes.blocks + 3),
  };
}

/** What a pass keeps of the inputs and the outputs of the matrices. */
function measuredOf(sizes: LlamaSizes): Parameters<typeof evidenceBytes>[0] {
  const { hidden, feedForward, vocabulary, blocks } = sizes;
  const rows = Object.values(blockMatrices(sizes)).map(([count]) => ({
    rows: count,
    covariance: count <= maxCovariance,
  }));
  const own = { tokens: usual.evidence, columns: hidden, samples: usual.evidence * mostRows };
  return {
    inputs: [...Array.from({ length: blocks }, () => [hidden, hidden, hidden, feedForward]).flat(), hidden],
    outputs: [
      ...Array.from({ length: blocks }, () => rows).flat(),
      { rows: vocabulary, covariance: false, own },
    ],
  };
}

/** Seconds of one core for all matrices of a model in a type. */
function codesSeconds(sizes: LlamaSizes, type: GgmlQuantType, objective: Objective): number {
  const of = (shape: readonly [number, number]): number =>
    codesMethod.coreSeconds(shape, { type, options: { objective } });
  const block = Object.values(blockMatrices(sizes)).reduce((sum, shape) => sum + of(shape), 0);
  return sizes.blocks * block + of([sizes.vocabulary, sizes.hidden]);
}
