import { basename } from 'node:path';
import { bytesIn, candidateOf, ownCandidates, type Candidate, type Candidates } from '../../ampq/candidates';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { ggufView, type ModelHeaders } from '../../architectures/ggufView';
import { QuantscopeError } from '../../model/errors';
import { imatrixHash, importanceOf, type Imatrix } from '../../model/imatrix';
import { matrixOf } from '../../model/rows';
import { suppliesImportance } from '../codes/codeFinder';
import { planExport } from '../plan';
import { architectureOf, type Architecture } from './architecture';
import {
  encodableTypes,
  fileTypeNeedsImportance,
  fileTypes,
  needsImportance,
  type FileType,
} from './fileTypes';
import { mixTypes } from './mixture';
import { roleFactors } from './roleFactors';
import { said } from '../../protocol/said';

export interface CandidateOptions {
  readonly signal?: AbortSignal;
  /** What weights are encoded with. */
  readonly imatrix?: Imatrix | undefined;
  /** Whether codes are optimised. */
  readonly isOptimised?: boolean | undefined;
}

/**
 * The tensors that a plan for this model chooses formats for, in the order of the exported file: those that a file type applies to. What
 * is kept in full precision whatever the type (norms, biases, routers) is fixed.
 * @throws QuantscopeError REQUEST for an importance matrix of another model, or where the model cannot be exported as GGUF.
 */
export async function candidatesOf(model: ModelHeaders, options: CandidateOptions = {}): Promise<Candidates> {
  try {
    return await exportedCandidates(model, options);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'INTERNAL') throw error;
    if (options.imatrix) throw error; // its names are those of the exported file
    return ownCandidates(model, error.message);
  }
}

async function exportedCandidates(
  model: ModelHeaders,
  { signal, imatrix, isOptimised = false }: CandidateOptions,
): Promise<Candidates> {
  const { tensors } = await planExport(model, { type: 'F16', allowRequantize: true }, signal);
  const view = await ggufView(model, signal);
  const fixed = tensors.filter(({ cause }) => cause === 'kept' || cause === 'computed');
  const chosen = tensors.flatMap(({ converted, cause }) =>
    converted && cause !== 'kept' ? [converted] : [],
  );
  if (imatrix && !chosen.some(({ name }) => imatrix.entries.has(name)))
    throw new QuantscopeError(
      'REQUEST',
      said`The importance matrix has no entries for the tensors of this model.`,
      {
        file: imatrix.path,
      },
    );
  const factorOf = roleFactors(
    view,
    tensors.map(({ name }) => name),
  );
  return {
    tensors: chosen.map((converted) =>
      candidateOf(converted, factorOf(converted.name), importanceFor(converted, imatrix, isOptimised)),
    ),
    ...(imatrix ? { imatrix: { file: basename(imatrix.path), hash: imatrixHash(imatrix) } } : {}),
    fixedBytes: fixed.reduce((sum, { bytes }) => sum + bytes, 0),
    fixedParameters: fixed.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    ...presetsOf(chosen, architectureOf(view), imatrix !== undefined, isOptimised),
  };
}

/** The importance weights of a tensor, or without any the types that it cannot be written in. */
function importanceFor(
  converted: ConvertedTensor,
  imatrix: Imatrix | undefined,
  isOptimised: boolean,
): Pick<Candidate, 'importance' | 'hasInputs' | 'unavailable'> {
  const { name, shape } = converted;
  const { columns } = matrixOf(shape);
  const importance = imatrix && importanceOf(imatrix, name, columns, shape[shape.length - 3] ?? 1);
  if (importance) return { importance };
  const lacking = [...encodableTypes].filter(
    (type) => needsImportance(type, name) && !(isOptimised && suppliesImportance(converted, type)),
  );
  return { unavailable: new Set(lacking), ...(isOptimised ? { hasInputs: true } : {}) };
}

/**
 * The file types that llama.cpp writes, with or without an importance matrix, and those that it writes with one only, unless codes are
 * optimised.
 */
function presetsOf(
  tensors: readonly ConvertedTensor[],
  architecture: Architecture,
  hasImportance: boolean,
  isOptimised: boolean,
): Pick<Candidates, 'presets' | 'unmeasuredPresets'> {
  const formatsIn = (fileType: FileType, withImportance: boolean): string[] => {
    const types = mixTypes(tensors, fileType, architecture, { hasImportance: withImportance });
    return tensors.map(({ name }) => types.get(name)!.type);
  };
  const isMeasured = (fileType: FileType): boolean =>
    hasImportance || isOptimised || !fileTypeNeedsImportance(fileType);
  const unmeasured = fileTypes
    .filter((fileType) => !isMeasured(fileType))
    .map((fileType) => {
      const sizes = formatsIn(fileType, true).map((format, i) => bytesIn(format, tensors[i]!.shape));
      return { fileType: fileType.name, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) };
    });
  return {
    presets: fileTypes.filter(isMeasured).map((fileType) => ({
      fileType: fileType.name,
      formats: formatsIn(fileType, hasImportance || fileTypeNeedsImportance(fileType)),
    })),
    ...(unmeasured.length > 0 ? { unmeasuredPresets: unmeasured } : {}),
  };
}

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
