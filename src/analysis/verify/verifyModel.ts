import { readManifest, type DigestManifest } from '../../files/digests/manifest';
import type { ByteSource } from '../../model/byteSource';
import { openSource } from '../../model/place';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import type { ModelDescription, StoredPart, TensorDescriptor } from '../../protocol/model';
import type { VerifiedFile, VerifyResult } from '../../protocol/verify';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { CheckedTensor } from './checkTensor';
import { Faults } from './faults';
import { tensorsToCheck, verifyFile, type FileToVerify } from './verifyFile';

export interface VerifyOptions {
  readonly quick?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Checks the files of a model: against the digests that were written with them, where there are any, and without them as far as values tell.
 * Memory is bounded by a slab and the lists of digests.
 * @throws QuantscopeError IO; CANCELLED. What is wrong with the files is in the result.
 */
export async function verifyModel(model: Model, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { description } = model;
  const run = new Verification(description.path, options);
  for (const file of description.missingFiles)
    run.faults.add({
      kind: 'size',
      file: `${model.folder}/${file}`,
      message: said`A file of the model is missing.`,
    });
  const tensors = storedTensors(description.tensors);
  return run.of(
    filesOfWeights(description).map((path) => ({
      source: model.source(path),
      tensors: tensors.get(path) ?? [],
    })),
  );
}

/** Paths of the files that hold weights; a description lists config.json and the like besides. */
export const filesOfWeights = ({ files }: Pick<ModelDescription, 'files'>): string[] =>
  files.flatMap(({ path, contentHash }) => (contentHash === undefined ? [] : [path])).sort();

/**
 * The same for files that are not opened as a model: those of a graph, or with a damaged header.
 * @param files with digests.
 */
export async function verifyFiles(
  path: string,
  files: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const sources: ByteSource[] = [];
  try {
    for (const file of files) sources.push(await openSource(file));
    return await new Verification(path, options).of(sources.map((source) => ({ source })));
  } finally {
    for (const source of sources) await source.close();
  }
}

class Verification {
  readonly faults = new Faults();
  private readonly start = performance.now();
  private readonly notes: string[] = [];
  private readonly verified: VerifiedFile[] = [];
  private done = 0;

  constructor(
    private readonly path: string,
    private readonly options: VerifyOptions,
  ) {}

  async of(files: readonly Omit<FileToVerify, 'manifest'>[]): Promise<VerifyResult> {
    const all: FileToVerify[] = [];
    for (const file of files) all.push({ ...file, manifest: await this.manifestOf(file) });
    const tensors = all.flatMap((file) => tensorsToCheck(file));
    const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    const { quick, signal, onProgress } = this.options;
    const onBytes = (tensor: string, bytes: number): void => {
      this.done += bytes;
      onProgress?.({ message: tensor, done: this.done, total, unit: 'bytes' });
    };
    for (const file of all) await verifyFile(file, { faults: this.faults, quick, signal, onBytes });
    this.noteMissing();
    const { path, verified, faults, notes, done } = this;
    return {
      ...{ path, files: verified, tensors: tensors.length, checkedBytes: done },
      ...{ faults: faults.list, omitted: faults.omitted, damaged: faults.damaged, notes },
      seconds: (performance.now() - this.start) / 1000,
    };
  }

  /** The digests of a file; one that cannot be used is a fault. */
  private async manifestOf({
    source,
    tensors = [],
  }: Omit<FileToVerify, 'manifest'>): Promise<DigestManifest | undefined> {
    const file = { file: source.path, bytes: source.size };
    try {
      const manifest = await readManifest(source.path, this.options.signal);
      const name = manifest?.origin?.source.name;
      this.verified.push({
        ...{ ...file, tensors: manifest?.tensors.length ?? tensors.length },
        ...{ digests: manifest ? 'checked' : 'missing', ...(name === undefined ? {} : { source: name }) },
      });
      return manifest;
    } catch (error) {
      if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
      this.verified.push({ ...file, tensors: tensors.length, digests: 'unusable' });
      this.faults.add({ kind: 'digests', file: source.path, message: error.message });
      return undefined;
    }
  }

  private noteMissing(): void {
    const missing = this.verified.filter(({ digests }) => digests === 'missing').length;
    if (missing === 0) return;
    const of = missing === this.verified.length ? '' : ` of ${this.verified.length}`;
    this.notes.push(
      said`No digests were written with ${plural(missing, 'file')}${of}: only the bounds of tensors, and values and scales that are not finite or saturated, can be checked.`,
    );
  }
}

/** The tensors of each file as it stores them: the parts of weights that a layout decodes. */
function storedTensors(tensors: readonly TensorDescriptor[]): ReadonlyMap<string, readonly CheckedTensor[]> {
  const byFile = new Map<string, CheckedTensor[]>();
  const add = ({
    name,
    dtype,
    shape,
    file,
    offset,
    byteLength,
    strides,
  }: TensorDescriptor | StoredPart): void => {
    const own = byFile.get(file) ?? [];
    own.push({ name, dtype, shape, offset, bytes: byteLength, ...(strides ? { strides } : {}) });
    byFile.set(file, own);
  };
  for (const tensor of tensors) for (const part of tensor.stored?.parts ?? [tensor]) add(part);
  return byFile;
}
