import { activationGrid, rangeOf, rangeRules, type ActivationGrid } from '../exporter/onnx/calibrationRanges';
import { floatDtypes, type FloatDtype } from '../exporter/onnx/floats';
import type { MatrixChoices } from '../exporter/onnx/graphTensors';
import type { AccuracyLevel } from '../exporter/onnx/matMulNBits';
import { onnxMatrices, type OnnxMatrix } from '../exporter/onnx/matrices';
import { methodChoice } from '../exporter/onnx/methodChoice';
import type { OnnxOptions } from '../exporter/onnx/planOnnx';
import type { MatrixChoice } from '../exporter/onnx/storage';
import { weightForm, type WeightForm } from '../exporter/onnx/weightForms';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import type { InputRange, OnnxParams, OnnxSettings } from '../protocol/exportOnnx';
import type { EvidenceSource } from '../quant/evidence';
import { rtn } from '../quant/methods/rtn';
import { obtainEvidence } from './evaluation/obtainEvidence';
import type { JobContext } from './job';

/** Settings as the writer takes them. @throws QuantscopeError REQUEST for a form or a dtype that there is not. */
export function optionsOf({ weights, floats, positions, accuracyLevel, ...rest }: OnnxSettings): OnnxOptions {
  const { external, withoutPast } = rest;
  const form = weightForm(weights);
  return {
    floats: floatDtypeOf(floats ?? form.floats),
    notes: form.notes,
    context: positions,
    accuracyLevel: accuracyLevel === undefined ? undefined : accuracyLevelOf(accuracyLevel),
    ...{ external, withoutPast },
  };
}

function floatDtypeOf(name: string | undefined): FloatDtype | undefined {
  if (name === undefined) return undefined;
  const found = floatDtypes.find((dtype) => dtype === name.toUpperCase());
  if (found) return found;
  const message = `Weights that are not quantized are stored as ${floatDtypes.join(', ')}, not as "${name}".`;
  throw new QuantscopeError('REQUEST', message);
}

function accuracyLevelOf(level: number): AccuracyLevel {
  if (level === 1 || level === 2 || level === 3 || level === 4) return level;
  throw new QuantscopeError('REQUEST', `The accuracy level is ${level}; ONNX Runtime has 1 to 4.`);
}

/** The grid that the inputs of a matrix are rounded to. */
type InputGrid = (matrix: OnnxMatrix) => Promise<ActivationGrid>;

/** Sizes do not depend on what is measured. */
export const unmeasured: (form: WeightForm) => InputGrid = (form) => () =>
  Promise.resolve({ type: form.activations?.type ?? 'I8', scale: 1, zero: 0 });

/**
 * What the settings choose for each matrix: those of all blocks, and the output where it is asked for; or the named layers.
 * @throws QuantscopeError REQUEST for an option that the form does not have.
 */
export async function choicesOf(
  model: Model,
  settings: OnnxSettings,
  inputGrid: InputGrid,
): Promise<MatrixChoices> {
  const form = weightForm(settings.weights);
  const { codes, activations } = form;
  const { blockSize, asymmetric, layers, quantizeOutput } = settings;
  if (!codes) {
    if (blockSize === undefined && !asymmetric) return new Map();
    throw new QuantscopeError(
      'REQUEST',
      `${form.id} stores floats, which have no block size and no zero points.`,
    );
  }
  const grid = codes.grid({ blockSize, asymmetric });
  const choices = new Map<string, MatrixChoice>();
  for (const matrix of layers ? namedLayers(model, layers) : await onnxMatrices(model)) {
    if (!layers && matrix.name === 'output.weight' && !quantizeOutput) continue;
    const input = activations ? await inputGrid(matrix) : undefined;
    choices.set(matrix.name, methodChoice(rtn, grid, codes.storage, { input }));
  }
  return choices;
}

function namedLayers(model: Model, names: readonly string[]): OnnxMatrix[] {
  return names.map((name) => {
    const { rows, columns } = matrixOf(model.tensor(name).shape);
    return { name, source: name, shape: [rows, columns] };
  });
}

/**
 * Grids of inputs from a calibration pass over a text, or from one that was kept.
 * @throws QuantscopeError REQUEST without a text; as `obtainEvidence`.
 */
export async function measuredInputs(
  model: Model,
  params: OnnxParams,
  context: JobContext,
): Promise<InputGrid> {
  const form = weightForm(params.weights);
  const { activations } = form;
  if (!activations) return unmeasured(form);
  const { text, device = 'auto', cacheDir, inputRange = 'minmax' } = params;
  if (text === undefined || cacheDir === undefined) {
    const message = `${form.id} rounds the inputs of matrices: a calibration text is needed to know their ranges.`;
    throw new QuantscopeError('REQUEST', message);
  }
  const needs = ['activations'] as const;
  const evidence = await obtainEvidence(model, { text, needs, device }, cacheDir, context);
  return async (matrix) => {
    const { type, symmetric } = activations;
    return activationGrid(await inputRangeOf(evidence, matrix, inputRange, context.signal), type, symmetric);
  };
}

/** The range of a matrix's inputs: of sampled rows, with min and max up to the largest magnitude of all rows. */
async function inputRangeOf(
  evidence: EvidenceSource,
  { source }: OnnxMatrix,
  rule: InputRange,
  signal: AbortSignal,
) {
  const { inputs, largest } = await evidence.for(source, 'activations', { signal });
  if (!inputs || !largest)
    throw new QuantscopeError('REQUEST', 'The calibration pass did not measure its inputs.', {
      tensor: source,
    });
  const range = rangeOf(inputs, rangeRules[rule]);
  if (rule !== 'minmax') return range;
  const most = largest.reduce((a, b) => Math.max(a, b), 0);
  return range.high >= -range.low ? { ...range, high: most } : { ...range, low: -most };
}
