import { runtimeShape } from '../ampq/fits/runtimeShape';
import { QuantscopeError } from '../model/errors';
import type { Imatrix } from '../model/imatrix';
import type { Model } from '../model/model';
import type { LoadedModel } from '../protocol/loadedModel';
import { fileBytesOf, type FileFrame } from '../protocol/fileFrame';
import { codesKeyValues } from './codes/optimisedCodes';
import { prepareGguf } from './prepareGguf';

/**
 * What the exported file of a model, in one part, holds besides the tensors that a plan chooses formats for. It does not depend on
 * their formats.
 * @param encoding what weights are encoded with: the header names it.
 * @throws QuantscopeError where the model cannot be exported as GGUF.
 */
export async function fileFrame(
  model: Model,
  encoding: FrameEncoding = {},
  signal?: AbortSignal,
): Promise<FileFrame> {
  const { headerBytes, alignment, fixed } = await fileParts(model, encoding, signal);
  const sizes = fixed.map(({ bytes }) => bytes);
  return { bytes: fileBytesOf({ bytes: headerBytes, alignment }, sizes), alignment };
}

/** The same; undefined for a model that cannot be exported as GGUF. @throws QuantscopeError CANCELLED. */
export async function frameIfExportable(
  model: Model,
  encoding: FrameEncoding,
  signal?: AbortSignal,
): Promise<FileFrame | undefined> {
  try {
    return await fileFrame(model, encoding, signal);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || ['INTERNAL', 'CANCELLED'].includes(error.code)) throw error;
    return undefined;
  }
}

/**
 * The memory of a model at run time, as far as it does not depend on the formats that a plan chooses.
 * @throws QuantscopeError as `fileFrame` and `runtimeShape`.
 */
export async function loadedModel(
  model: Model,
  encoding: FrameEncoding = {},
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const { headerBytes, alignment, fixed, isTied } = await fileParts(model, encoding, signal);
  const sizes = fixed.map(({ bytes }) => bytes);
  return {
    shape: await runtimeShape(model, signal),
    frame: { bytes: fileBytesOf({ bytes: headerBytes, alignment }, sizes), alignment },
    ...{ headerBytes, isTied, fixed: fixed.map(({ name, bytes }) => ({ name, bytes })) },
  };
}

/** Header, and tensors that have the same type in every plan, of the file in one part. */
async function fileParts(
  model: Model,
  { imatrix, isOptimised = false }: FrameEncoding,
  signal: AbortSignal | undefined,
) {
  const target = { type: 'F16', allowRequantize: true, ...(imatrix ? { imatrix } : {}) };
  const keyValues = isOptimised ? codesKeyValues() : [];
  const { plan, files } = await prepareGguf(model, target, 'model.gguf', { signal, keyValues });
  const { header, alignment } = files[0]!.layout;
  const fixed = plan.tensors.filter(({ cause }) => cause === 'kept' || cause === 'computed');
  const isTied = !plan.tensors.some(({ name }) => name === 'output.weight');
  return { headerBytes: header.length, alignment, fixed, isTied };
}

/** What the header of a file says of its encoding. */
export interface FrameEncoding {
  readonly imatrix?: Imatrix | undefined;
  /** Whether codes are optimised. */
  readonly isOptimised?: boolean;
}
