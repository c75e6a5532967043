import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import {
  maxUnproven,
  type Encoding,
  type ProvenanceResult,
  type ProvenTensors,
  type TensorDifference,
  type UnprovenTensor,
} from '../../protocol/provenance';
import { said } from '../../protocol/said';
import { dimensions } from '../plan/mixed';
import { exportedKeyValues } from '../prepareGguf';
import type { ExportPlan } from '../plan';
import type { PlannedTensor } from '../plan/tensor';
import { describeDifference, differencesFrom, type BlockDifferences } from './compareTensor';
import { encodingsOf } from './encodings';
import { planLikeFile, statedFileType, type FilePlan, type FileTensor } from './filePlan';
import { keyDifferences } from './keys';

export interface VerifySourceOptions {
  readonly imatrix?: Imatrix | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Encodes a model again in the types of a GGUF file, and says tensor by tensor whether the file's bytes are those: how codes were found, or
 * where the first difference lies. Both are read slab by slab.
 * @throws QuantscopeError REQUEST for a file that is not GGUF; as `planExport` for a source that cannot be written as GGUF; IO, CANCELLED.
 */
export async function verifySource(
  file: Model,
  source: Model,
  { imatrix, signal, onProgress }: VerifySourceOptions = {},
): Promise<ProvenanceResult> {
  const start = performance.now();
  const { path } = file.description;
  if (!file.gguf)
    throw new QuantscopeError('REQUEST', said`Only a GGUF file is compared with its source.`, { file: path });
  const plan = await planLikeFile(source, file, imatrix, signal);
  const run = new Comparison(file, source, { signal, onProgress });
  const expected = await exportedKeyValues(source, exportPlanOf(plan), signal);
  const keys = await keyDifferences(file, expected.pairs, signal);
  await run.all(plan);
  const statedImatrix = file.gguf.metadata.get('quantize.imatrix.file')?.scalar;
  const { proven, unproven, unprovenCount } = run;
  return {
    ...{ path, source: source.description.path, tensors: plan.tensors.length },
    isProven: unprovenCount === 0 && !keys.some(({ matters }) => matters),
    ...{ proven: [...proven.values()], unproven, unprovenCount },
    fileType: statedFileType(plan, file),
    ...(typeof statedImatrix === 'string' ? { statedImatrix } : {}),
    ...{ keys, notes: notesOf(run, statedImatrix, imatrix) },
    seconds: (performance.now() - start) / 1000,
  };
}

/** What is needed of the plan of an export to know the keys that it writes. */
function exportPlanOf({
  view,
  tensors,
}: FilePlan): Pick<ExportPlan, 'architecture' | 'keyValues' | 'tensors'> {
  const planned = tensors.flatMap((tensor) => tensor.planned ?? []);
  return { architecture: view.architecture, keyValues: view.keyValues, tensors: planned };
}

/** Beyond so large a share of its blocks a tensor is not called damaged. */
const fewBlocks = 0.01;
/** Codes that are found otherwise (by importance, by a calibration) have up to twice the error of the usual ones, rarely more. */
const usualErrors = 4;

class Comparison {
  readonly proven = new Map<string, { -readonly [K in keyof ProvenTensors]: ProvenTensors[K] }>();
  readonly unproven: UnprovenTensor[] = [];
  unprovenCount = 0;
  private done = 0;
  /** The encoding of the last proven tensor that had a choice: it is tried first. */
  private likely: Encoding | undefined;

  constructor(
    private readonly file: Model,
    private readonly source: Model,
    private readonly options: Pick<VerifySourceOptions, 'signal' | 'onProgress'>,
  ) {}

  async all({ tensors, missing }: FilePlan): Promise<void> {
    const total = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    for (const tensor of tensors) {
      throwIfCancelled(this.options.signal);
      this.options.onProgress?.({ message: tensor.name, done: this.done, total, unit: 'bytes' });
      await this.one(tensor);
      this.done += tensor.byteLength;
    }
    for (const { name, type } of missing)
      this.add({
        tensor: name,
        type,
        verdict: 'missing',
        message: said`The file lacks a tensor of the source.`,
      });
  }

  private async one(tensor: FileTensor): Promise<void> {
    const { name, dtype: type, shape, planned, problem } = tensor;
    const fail = (verdict: UnprovenTensor['verdict'], message: string): void =>
      this.add({ tensor: name, type, verdict, message });
    if (problem !== undefined) return fail('unknown', problem);
    if (!planned) return fail('added', said`The source has no such tensor.`);
    if (!tensor.readable) return fail('unknown', tensor.unreadableReason ?? said`The tensor cannot be read.`);
    if (!isSameShape(shape, planned.shape))
      return fail(
        'shape',
        said`Its shape is [${shape.join(', ')}]; the source gives [${planned.shape.join(', ')}].`,
      );
    return this.compare(tensor, planned);
  }

  private async compare(tensor: FileTensor, planned: PlannedTensor): Promise<void> {
    const { file, source } = this;
    const compared = { file, tensor, source, planned };
    let best: BlockDifferences | undefined;
    for (const encoding of this.ordered(encodingsOf(planned))) {
      const most = best?.differing ?? Infinity;
      const found = await differencesFrom(compared, encoding, most, this.options.signal);
      if (found.differing === 0) return this.prove(tensor, encoding);
      if (found.differing < most) best = found;
    }
    const difference = await describeDifference(compared, best!, this.options.signal);
    const { encoding } = best!;
    this.add({ tensor: tensor.name, type: tensor.dtype, ...judged(difference), encoding, difference });
  }

  private ordered(encodings: readonly Encoding[]): readonly Encoding[] {
    const first = encodings.find((encoding) => this.likely && isSame(encoding, this.likely));
    return first ? [first, ...encodings.filter((encoding) => encoding !== first)] : encodings;
  }

  private prove({ dtype: type, byteLength, planned }: FileTensor, encoding: Encoding): void {
    if (planned && encodingsOf(planned).length > 1) this.likely = encoding;
    const key = JSON.stringify([type, encoding.importance, encoding.via]);
    const group = this.proven.get(key) ?? { type, encoding, tensors: 0, bytes: 0 };
    group.tensors += 1;
    group.bytes += byteLength;
    this.proven.set(key, group);
  }

  private add(tensor: UnprovenTensor): void {
    this.unprovenCount += 1;
    if (this.unproven.length < maxUnproven) this.unproven.push(tensor);
  }
}

const isSame = (a: Encoding, b: Encoding): boolean => a.importance === b.importance && a.via === b.via;

/** Outermost dimensions of size 1 are not stored. */
const isSameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.slice(-dimensions(a)).join() === b.slice(-dimensions(b)).join();

function judged({
  differing,
  blocks,
  relativeError,
  encodedError,
}: TensorDifference): Pick<UnprovenTensor, 'verdict' | 'message'> {
  if (differing <= Math.max(1, fewBlocks * blocks))
    return { verdict: 'changed', message: said`Few blocks differ: they were damaged or edited.` };
  if (relativeError <= usualErrors * encodedError)
    return {
      verdict: 'codes',
      message: said`The weights are those of the source, their codes were found otherwise.`,
    };
  return { verdict: 'weights', message: said`The weights are not those of the source.` };
}

function notesOf({ unproven }: Comparison, stated: unknown, imatrix: Imatrix | undefined): readonly string[] {
  const isOpen = unproven.some(({ verdict }) => verdict === 'codes' || verdict === 'unknown');
  if (imatrix && stated === undefined)
    return [said`The file does not say that it was made with an importance matrix.`];
  if (!imatrix && typeof stated === 'string' && isOpen)
    return [
      said`The file says that it was made with the importance matrix "${stated}": give it to compare with.`,
    ];
  return [];
}
