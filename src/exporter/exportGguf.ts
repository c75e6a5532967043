import { resolve } from 'node:path';
import type { Origin } from '../files/digests/manifest';
import { inputsOf, type Inputs } from '../files/inputs';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import { folderName } from '../model/modelName';
import type { EngineProgress } from '../protocol/engine';
import type { ExportResult } from '../protocol/export';
import type { ExportPreview } from '../protocol/export';
import { said } from '../protocol/said';
import type { EvidenceSource } from '../quant/evidence';
import { objectiveOver } from './codes/codeFinder';
import { CodeOptimiser } from './codes/optimisedCodes';
import { ensureFreeSpace } from './diskSpace';
import { ggufOrigin } from './origin';
import type { ExportTarget } from './plan';
import { prepareGguf, type OutputFile } from './prepareGguf';
import { writePlanned } from './writePlanned';

/** What an export reads and must not replace. */
interface ReadFiles {
  /** Files that were read besides the model. */
  readonly alsoRead?: readonly (string | undefined)[] | undefined;
  /** All that was read, as it was when the work began that the export ends, instead of the model and `alsoRead` as they are now. */
  readonly inputs?: Inputs | undefined;
}

export interface ExportOptions extends ReadFiles {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** What is known of the inputs of the matrices; needed for optimised codes. */
  readonly evidence?: EvidenceSource | undefined;
  /** What the file says that it comes from, where that is not the model with the settings of the target. */
  readonly origin?: Origin | undefined;
}

/**
 * Dry run: everything that `exportGguf` would reject because of headers, configuration, tokenizer or target is rejected here too.
 * Reads no weights.
 * @param out the target, whose name the files get; the model's own when absent.
 */
export async function previewGguf(
  model: Model,
  target: ExportTarget,
  out?: string,
  { signal, ...read }: ReadFiles & Pick<ExportOptions, 'signal'> = {},
): Promise<ExportPreview> {
  const { files, preview } = await prepareGguf(model, target, out ?? `${folderName(model.folder)}.gguf`, {
    signal,
  });
  if (out !== undefined) await checkedInputs(model, files, read);
  return preview;
}

/**
 * Exports a checkpoint or a GGUF file as GGUF, atomically: existing files are replaced at the very end; after an error or a cancellation
 * they are unchanged.
 * @throws QuantscopeError REQUEST, UNSUPPORTED, MODEL_FILE (weights that are not finite), IO (no space; a file of the model that
 * changed meanwhile), CANCELLED.
 */
export async function exportGguf(
  model: Model,
  target: ExportTarget,
  out: string,
  { signal, onProgress, evidence, origin, ...read }: ExportOptions = {},
): Promise<ExportResult> {
  const start = performance.now();
  const optimiser = optimiserOf(target, evidence, signal);
  const { plan, files, preview } = await prepareGguf(model, target, out, { signal, optimiser });
  const inputs = await checkedInputs(model, files, read);
  await ensureFreeSpace(out, preview.fileBytes);
  await writePlanned(model, {
    ...{ plan, files, inputs, optimiser, signal, onProgress },
    origin: origin ?? ggufOrigin(model, target, evidence),
  });
  return {
    ...(optimiser ? optimiser.result(preview, plan.tensors) : preview),
    out: resolve(files[0]!.path),
    seconds: (performance.now() - start) / 1000,
  };
}

/** @throws QuantscopeError REQUEST for optimised codes without evidence. */
function optimiserOf(
  { codes, objective }: ExportTarget,
  evidence: EvidenceSource | undefined,
  signal: AbortSignal | undefined,
): CodeOptimiser | undefined {
  if (codes !== 'optimised') return undefined;
  if (evidence) return new CodeOptimiser(evidence, objectiveOver(evidence, objective), signal);
  const message = said`Optimised codes need to know the inputs of the matrices: give a text to run the model over (--calibration FILE).`;
  throw new QuantscopeError('REQUEST', message);
}

/** What the export reads, after a check of what it is to write. */
async function checkedInputs(
  { description }: Model,
  files: readonly OutputFile[],
  { alsoRead = [], inputs: known }: ReadFiles,
): Promise<Inputs> {
  const inputs = known ?? (await inputsOf(description, ...alsoRead));
  await inputs.check(files.map(({ path }) => path));
  return inputs;
}
