import { floatDtypes, type FloatDtype } from '../exporter/onnx/floats';
import type { MatrixChoices } from '../exporter/onnx/graphTensors';
import type { AccuracyLevel } from '../exporter/onnx/matMulNBits';
import { onnxMatrices, type OnnxMatrix } from '../exporter/onnx/matrices';
import type { OnnxOptions } from '../exporter/onnx/planOnnx';
import type { MatrixChoice } from '../exporter/onnx/storage';
import { transformersJsDtype, type TransformersJsDtype } from '../exporter/onnx/transformersJs';
import { weightForm, type WeightForm } from '../exporter/onnx/weightForms';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf } from '../model/rows';
import type { OnnxParams, OnnxSettings } from '../protocol/exportOnnx';
import type { EvidenceKind } from '../protocol/recipe';
import { said } from '../protocol/said';
import { usedEvidence, type EvidenceSource } from '../quant/evidence';
import type { Method } from '../quant/methods/method';
import { methodById } from '../quant/methods/methods';
import { rtn } from '../quant/methods/rtn';
import { obtainEvidence } from './evaluation/obtainEvidence';
import type { JobContext } from './job';
import { choiceFor, refuseScaling } from './onnxChoice';

/** Settings as the writer takes them. @throws QuantscopeError REQUEST for a form or a dtype that there is not. */
export function writerOptions(settings: OnnxSettings): OnnxOptions {
  const { positions: context, accuracyLevel, external, withoutPast } = settings;
  const form = weightForm(settings.weights);
  const floats = floatDtypeOf(settings.floats ?? form.floats);
  return {
    accuracyLevel: accuracyLevel === undefined ? undefined : accuracyLevelOf(accuracyLevel),
    ...{ floats, context, external, withoutPast },
    transformersJs: dtypeOf(settings, form, floats),
  };
}

function dtypeOf(
  { transformersJs, asymmetric, layers }: OnnxSettings,
  form: WeightForm,
  floats: FloatDtype | undefined,
): TransformersJsDtype | undefined {
  if (!transformersJs) return undefined;
  if (!layers) return transformersJsDtype(form, { floats, asymmetric });
  throw new QuantscopeError('REQUEST', said`transformers.js loads whole models, not single layers.`);
}

function floatDtypeOf(name: string | undefined): FloatDtype | undefined {
  if (name === undefined) return undefined;
  const found = floatDtypes.find((dtype) => dtype === name.toUpperCase());
  if (found) return found;
  const message = said`Weights that are not quantized are stored as ${floatDtypes.join(', ')}, not as "${name}".`;
  throw new QuantscopeError('REQUEST', message);
}

function accuracyLevelOf(level: number): AccuracyLevel {
  if (level === 1 || level === 2 || level === 3 || level === 4) return level;
  throw new QuantscopeError('REQUEST', said`The accuracy level is ${level}; ONNX Runtime has 1 to 4.`);
}

/**
 * What the settings choose for each matrix: those of all blocks, and the output where it is requested; or the named layers.
 * @param evidence absent in a dry run, whose sizes do not depend on what is measured.
 * @throws QuantscopeError REQUEST for an option that the form does not have, or a method that cannot be applied.
 */
export async function settingChoices(
  model: Model,
  settings: OnnxSettings,
  evidence: EvidenceSource | undefined,
  signal: AbortSignal,
): Promise<MatrixChoices> {
  const form = weightForm(settings.weights);
  const { blockSize, asymmetric, layers, quantizeOutput, inputRange } = settings;
  const method = methodOf(settings);
  if (!form.codes) {
    if (blockSize === undefined && !asymmetric && method === rtn) return new Map();
    const message = said`${form.id} stores floats, which have no block size, no zero points and no method.`;
    throw new QuantscopeError('REQUEST', message);
  }
  const { grid: gridOf, storage } = form.codes;
  const grid = gridOf({ blockSize, asymmetric });
  const quantization = { grid, method, storage, activations: form.activations, inputRange };
  const choices = new Map<string, MatrixChoice>();
  for (const matrix of layers ? namedLayers(model, layers) : await onnxMatrices(model)) {
    if (!layers && matrix.name === 'output.weight' && !quantizeOutput) continue;
    choices.set(matrix.name, await choiceFor(matrix, quantization, evidence, signal));
  }
  return choices;
}

const methodOf = ({ method }: OnnxSettings): Method =>
  refuseScaling(method === undefined ? rtn : methodById(method));

function namedLayers(model: Model, names: readonly string[]): OnnxMatrix[] {
  return names.map((name) => {
    const { rows, columns } = matrixOf(model.tensor(name).shape);
    return { name, source: name, shape: [rows, columns] };
  });
}

/**
 * What the form and the method need to know of the inputs of matrices, by a calibration pass over a text.
 * @throws QuantscopeError REQUEST without a text; as `obtainEvidence`.
 */
export async function evidenceFor(
  model: Model,
  params: OnnxParams,
  context: JobContext,
): Promise<EvidenceSource | undefined> {
  const { id, codes, activations } = weightForm(params.weights);
  if (!codes) return undefined;
  const method = methodOf(params);
  const kinds: EvidenceKind[] = [
    usedEvidence(method, params.text !== undefined),
    activations ? 'activations' : 'none',
  ];
  const needs = kinds.filter((kind) => kind !== 'none');
  if (needs.length === 0) return undefined;
  const { text, device = 'auto', cacheDir } = params;
  if (text !== undefined && cacheDir !== undefined)
    return obtainEvidence(model, { text, needs, device }, cacheDir, context);
  const message = said`${activations ? id : method.label} needs to know the inputs of matrices: give a text to run the model over (--calibration FILE).`;
  throw new QuantscopeError('REQUEST', message);
}
