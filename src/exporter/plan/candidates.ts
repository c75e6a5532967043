import { candidateOf, ownCandidates, type Candidates } from '../../ampq/candidates';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { ggufView, type ModelHeaders } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import type { TablePreset } from '../../protocol/plan';
import { planExport } from '../plan';
import { architectureOf, type Architecture } from './architecture';
import { fileTypeNeedsImportance, fileTypes } from './fileTypes';
import { mixTypes } from './mixture';
import { roleFactors } from './roleFactors';

/**
 * The tensors that a plan for this model chooses formats for, in the order of the exported file: those that a file type applies to. What
 * is kept in full precision whatever the type (norms, biases, routers) is fixed.
 */
export async function candidatesOf(model: ModelHeaders, signal?: AbortSignal): Promise<Candidates> {
  try {
    return await exportedCandidates(model, signal);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'INTERNAL') throw error;
    return ownCandidates(model, error.message);
  }
}

async function exportedCandidates(model: ModelHeaders, signal?: AbortSignal): Promise<Candidates> {
  const { tensors } = await planExport(model, { type: 'F16', allowRequantize: true }, signal);
  const view = await ggufView(model, signal);
  const fixed = tensors.filter(({ cause }) => cause === 'kept' || cause === 'computed');
  const chosen = tensors.flatMap(({ converted, cause }) =>
    converted && cause !== 'kept' ? [converted] : [],
  );
  const factorOf = roleFactors(
    view,
    tensors.map(({ name }) => name),
  );
  return {
    tensors: chosen.map((converted) => candidateOf(converted, factorOf(converted.name))),
    fixedBytes: fixed.reduce((sum, { bytes }) => sum + bytes, 0),
    fixedParameters: fixed.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    presets: presetsOf(chosen, architectureOf(view)),
  };
}

/** The file types that are written without an importance matrix. */
function presetsOf(tensors: readonly ConvertedTensor[], architecture: Architecture): TablePreset[] {
  return fileTypes
    .filter((fileType) => !fileTypeNeedsImportance(fileType))
    .map((fileType) => {
      const types = mixTypes(tensors, fileType, architecture);
      return { fileType: fileType.name, formats: tensors.map(({ name }) => types.get(name)!.type) };
    });
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
