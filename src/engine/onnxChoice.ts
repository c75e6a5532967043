import {
  activationGrid,
  rangeOf,
  rangeRules,
  type ActivationForm,
  type ActivationGrid,
  type ValueRange,
} from '../exporter/onnx/calibrationRanges';
import type { OnnxMatrix } from '../exporter/onnx/matrices';
import { methodChoice } from '../exporter/onnx/methodChoice';
import type { CodeStorage, MatrixChoice } from '../exporter/onnx/storage';
import { QuantscopeError } from '../model/errors';
import type { InputRange } from '../protocol/exportOnnx';
import type { Grid } from '../protocol/grids';
import type { EvidenceKind, MethodOptions } from '../protocol/recipe';
import { said } from '../protocol/said';
import { usedEvidence, type EvidenceSource } from '../quant/evidence';
import { awq } from '../quant/methods/awq';
import type { Evidence, Method } from '../quant/methods/method';

/** How a matrix is quantized. */
export interface Quantization {
  readonly grid: Grid;
  readonly method: Method;
  readonly storage: CodeStorage;
  readonly options?: MethodOptions;
  /** How its inputs are rounded while the graph runs, and how ranges follow from what was measured of them. */
  readonly activations?: ActivationForm | undefined;
  readonly inputRange?: InputRange | undefined;
}

/**
 * The choice for a matrix of a graph, or for a layer by its name.
 * @param evidence absent in a dry run, whose sizes do not depend on what is measured.
 * @throws QuantscopeError REQUEST where the inputs of the matrix were not measured and are needed.
 */
export async function choiceFor(
  matrix: Pick<OnnxMatrix, 'source' | 'expert'>,
  { grid, method, storage, options, activations, inputRange = 'minmax' }: Quantization,
  evidence: EvidenceSource | undefined,
  signal: AbortSignal,
): Promise<MatrixChoice> {
  const measured = evidence && evidenceOf(matrix, evidence, signal);
  return methodChoice(method, grid, storage, {
    input: activations && (await inputGrid(activations, measured, matrix.source, inputRange)),
    ...(options ? { options } : {}),
    ...(measured ? { evidence: () => measured(usedEvidence(method, true, options)) } : {}),
  });
}

/** @throws QuantscopeError REQUEST for a method whose result is more than the codes of a matrix. */
export function refuseScaling(method: Method): Method {
  if (method !== awq) return method;
  const message = said`AWQ scales columns of matrices and folds the scales into the weights before them. Quantize the model to a checkpoint with it first, and export that.`;
  throw new QuantscopeError('REQUEST', message);
}

type Measured = (kind: EvidenceKind) => Promise<Evidence>;

const evidenceOf =
  (
    { source, expert }: Pick<OnnxMatrix, 'source' | 'expert'>,
    evidence: EvidenceSource,
    signal: AbortSignal,
  ): Measured =>
  (kind) =>
    evidence.for(source, kind, { ...(expert === undefined ? {} : { expert }), signal });

/** The grid that the inputs of a matrix are rounded to; any in a dry run, without evidence. */
async function inputGrid(
  { type, symmetric }: ActivationForm,
  measured: Measured | undefined,
  tensor: string,
  rule: InputRange,
): Promise<ActivationGrid> {
  if (!measured) return { type, scale: 1, zero: 0 };
  const { inputs, largest } = await measured('activations');
  if (inputs && largest) return activationGrid(rangeOfInputs(inputs, largest, rule), type, symmetric);
  throw new QuantscopeError('REQUEST', said`The calibration pass did not measure its inputs.`, { tensor });
}

/** The range of sampled rows; by min and max up to the largest magnitude of all rows. */
function rangeOfInputs(inputs: Float32Array, largest: Float32Array, rule: InputRange): ValueRange {
  const range = rangeOf(inputs, rangeRules[rule]);
  if (rule !== 'minmax') return range;
  const most = largest.reduce((a, b) => Math.max(a, b), 0);
  return range.high >= -range.low ? { ...range, high: most } : { ...range, low: -most };
}
