import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/openModel';
import { loadNative } from '../native';
import type { EngineProgress, ExportResult } from '../protocol/engine';
import { writeAtomically } from './atomicWriter';
import { llamaKeyValues } from './convert/llama';
import { ensureFreeSpace } from './diskSpace';
import { encodeTensor } from './encodeTensor';
import type { KeyValue } from '../model/keyValue';
import { layOutGguf, writeGguf, type GgufLayout } from './gguf/writer';
import { planExport, type ExportPlan, type ExportTarget, type PlannedTensor } from './plan';
import { ProgressMeter } from './progressMeter';
import { readTokenizer } from './tokenizer/readTokenizer';

export interface ExportOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** Threads of the addon; all cores when absent. */
  readonly threads?: number | undefined;
}

/** What an export would write: the plan, and the exact size of the file. */
export interface GgufPlan extends ExportPlan {
  readonly fileBytes: number;
}

/**
 * Dry run: everything that `exportGguf` would refuse because of headers, configuration or tokenizer is refused here too.
 * Reads no weights.
 */
export async function planGguf(model: Model, target: ExportTarget, signal?: AbortSignal): Promise<GgufPlan> {
  const plan = planExport(model, target);
  const { fileBytes } = await layOut(model, plan, signal);
  return { ...plan, fileBytes };
}

/**
 * Exports a llama-architecture checkpoint or a GGUF file as GGUF. The target appears whole or, after an error or a cancel,
 * not at all; an existing file is replaced at the very end.
 * @throws QuantscopeError REQUEST, UNSUPPORTED, MODEL_FILE (weights that are not finite), IO (no space), CANCELLED.
 */
export async function exportGguf(
  model: Model,
  target: ExportTarget,
  out: string,
  { signal, onProgress, threads }: ExportOptions = {},
): Promise<ExportResult> {
  const start = performance.now();
  const plan = planExport(model, target);
  await refuseSourceAsTarget(model, out);
  const layout = await layOut(model, plan, signal);
  await ensureFreeSpace(out, layout.fileBytes);
  if (threads !== undefined) loadNative().setThreads(threads);
  const meter = new ProgressMeter(plan, onProgress);
  const bytes = await writeAtomically(out, async (file) => {
    const written = await writeGguf(file, layout, (tensor) => metered(model, tensor, meter, signal));
    throwIfCancelled(signal);
    if (written !== layout.fileBytes)
      throw new QuantscopeError('INTERNAL', `${written} bytes were written, ${layout.fileBytes} planned.`, {
        file: out,
      });
    return written;
  });
  return {
    out: resolve(out),
    bytes,
    bitsPerWeight: plan.bitsPerWeight,
    seconds: (performance.now() - start) / 1000,
    tensors: plan.tensors.map(({ name, source, from, to, bytes: size, reason }) => ({
      name,
      source,
      from,
      to,
      bytes: size,
      reason,
    })),
  };
}

async function* metered(
  model: Model,
  tensor: PlannedTensor,
  meter: ProgressMeter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  meter.begin(tensor);
  for await (const bytes of encodeTensor(model, tensor, signal)) {
    yield bytes;
    meter.advance(tensor, bytes.length);
  }
}

async function layOut(
  model: Model,
  plan: ExportPlan,
  signal: AbortSignal | undefined,
): Promise<GgufLayout<PlannedTensor>> {
  const pairs = model.gguf
    ? await copiedKeyValues(model, signal)
    : await convertedKeyValues(model, plan, signal);
  const last: KeyValue[] = [
    { key: quantizationVersion, type: 'u32', value: 2 },
    { key: fileType, type: 'u32', value: plan.fileTypeId },
  ];
  return layOutGguf([...pairs, ...last], plan.tensors, model.gguf?.alignment);
}

const quantizationVersion = 'general.quantization_version';
const fileType = 'general.file_type';

/** Key-values of a GGUF source, byte for byte, but for those that are written anew or speak of splits. */
async function copiedKeyValues(model: Model, signal: AbortSignal | undefined): Promise<KeyValue[]> {
  const file = model.description.files[0]?.path ?? model.description.path;
  const source = model.source(file);
  const pairs: KeyValue[] = [];
  for (const [key, { type, offset, byteLength }] of model.gguf?.metadata ?? []) {
    if (key === quantizationVersion || key === fileType || key.startsWith('split.')) continue;
    pairs.push({ key, type, raw: await source.read(offset, byteLength, signal) });
  }
  return pairs;
}

async function convertedKeyValues(
  model: Model,
  { llama, tensors }: ExportPlan,
  signal: AbortSignal | undefined,
): Promise<KeyValue[]> {
  const rows = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (!llama || rows === undefined)
    throw new QuantscopeError('INTERNAL', 'The plan is not one of a checkpoint.', { file: model.folder });
  const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
  return [
    text('general.architecture', 'llama'),
    text('general.type', 'model'),
    text('general.name', basename(model.folder)),
    ...llamaKeyValues(llama, rows),
    ...(await readTokenizer(model.folder, model.config ?? {}, rows, signal)),
  ];
}

/** The same file may have several names, so the files are compared, not the paths. */
async function refuseSourceAsTarget(model: Model, out: string): Promise<void> {
  const target = await identify(out);
  if (target === undefined) return;
  for (const { path } of model.description.files) {
    if ((await identify(path)) === target)
      throw new QuantscopeError('REQUEST', 'The target is the model itself; choose another name.', {
        file: out,
      });
  }
}

async function identify(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined; // no file of that name: nothing to mistake it for
  }
}
