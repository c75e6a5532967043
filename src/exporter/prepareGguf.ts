import { basename } from 'node:path';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/model';
import { usualObjective, type ExportPreview, type SplitSettings } from '../protocol/export';
import { checkpointKeyValues, type CheckpointKeyValues } from './checkpointKeyValues';
import {
  codesKeyValues,
  isCodesKey,
  keepsCodes,
  optimisedPart,
  type CodeOptimiser,
} from './codes/optimisedCodes';
import { layOutParts, partName, splitTensors, type SplitRule } from './gguf/splits';
import type { GgufLayout } from './gguf/writer';
import { overrideKeyValues } from './options/keyValueOverride';
import { planExport, type ExportPlan, type ExportTarget } from './plan';
import type { PlannedTensor } from './plan/tensor';

/** A file to write. */
export interface OutputFile {
  readonly path: string;
  readonly layout: GgufLayout<PlannedTensor>;
}

interface PrepareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly optimiser?: CodeOptimiser | undefined;
  /** Besides those of the model and the target. */
  readonly keyValues?: readonly KeyValue[];
}

/** What an export writes, and what is shown of it before. @throws QuantscopeError as `planExport`. */
export async function prepareGguf(
  model: Model,
  target: ExportTarget,
  out: string,
  { signal, optimiser, keyValues = [] }: PrepareOptions,
): Promise<{ plan: ExportPlan; files: OutputFile[]; preview: ExportPreview }> {
  const plan = await planExport(model, target, signal);
  const { pairs, notes } = await exportedKeyValues(model, plan, signal);
  const objective = optimiser?.objective ?? target.objective ?? usualObjective;
  const optimised = target.codes === 'optimised' ? optimisedPart(plan.tensors, objective) : undefined;
  const ofCodes = optimised?.tensors ? (optimiser?.keyValues(plan.tensors) ?? codesKeyValues()) : [];
  const files = layOut(model, plan, target, out, [...pairs, ...ofCodes, ...keyValues]);
  const preview = previewOf(plan, files, notes);
  return { plan, files, preview: optimised ? { ...preview, optimised } : preview };
}

/**
 * What a file says of the model, without what it says of itself: its type, its parts.
 * @throws QuantscopeError as `readTokenizer`.
 */
export async function exportedKeyValues(
  model: Model,
  plan: Pick<ExportPlan, 'architecture' | 'keyValues' | 'tensors'>,
  signal: AbortSignal | undefined,
): Promise<CheckpointKeyValues> {
  if (!model.gguf) return checkpointKeyValues(model, plan, signal);
  return { pairs: await copiedKeyValues(model, plan, signal), notes: [] };
}

function previewOf(plan: ExportPlan, files: readonly OutputFile[], notes: readonly string[]): ExportPreview {
  const { architecture, fileType, dataBytes, parameters, bitsPerWeight } = plan;
  return {
    tensors: plan.tensors.map(
      ({ converted: _converted, values: _values, importance: _importance, ...row }) => row,
    ),
    architecture,
    preset: fileType.name,
    dataBytes,
    files: files.map(({ path, layout }) => ({
      name: basename(path),
      bytes: layout.fileBytes,
      tensors: layout.tensors.length,
    })),
    fileBytes: files.reduce((sum, { layout }) => sum + layout.fileBytes, 0),
    parameters,
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    presetBytes: plan.presetBytes,
    warnings: [...plan.warnings, ...notes],
  };
}

/** The files to write; one, unless the target asks for a split. */
function layOut(
  model: Model,
  plan: ExportPlan,
  { split }: ExportTarget,
  out: string,
  pairs: readonly KeyValue[],
): OutputFile[] {
  const own: KeyValue[] = [
    { key: quantizationVersion, type: 'u32', value: 2 },
    { key: fileType, type: 'u32', value: plan.fileType.id },
  ];
  const all = overrideKeyValues([...pairs, ...own], plan.overrides);
  const rule = split && splitRule(split, model);
  const parts = rule ? splitTensors(plan.tensors, rule) : [[...plan.tensors]];
  const layouts = layOutParts(all, parts, rule?.kind ?? 'keep', model.gguf?.alignment);
  return layouts.map((layout, part) => ({
    path: layouts.length === 1 ? out : partName(out, part, layouts.length),
    layout,
  }));
}

function splitRule(split: SplitSettings, { description }: Model): SplitRule<PlannedTensor> {
  if (split.kind !== 'keep') return split;
  const files = description.files.map(({ path }) => path);
  return {
    kind: 'keep',
    partOf: ({ converted }) => files.indexOf(converted?.pieces[0]?.tensor.file ?? ''),
  };
}

const quantizationVersion = 'general.quantization_version';
const fileType = 'general.file_type';

/** Key-values of a GGUF source, byte for byte, except those that are written again, are about splits or are no longer true. */
async function copiedKeyValues(
  model: Model,
  { tensors }: Pick<ExportPlan, 'tensors'>,
  signal: AbortSignal | undefined,
): Promise<KeyValue[]> {
  const keepsKeys = tensors.every(keepsCodes);
  const file = model.description.files[0]?.path ?? model.description.path;
  const source = model.source(file);
  const pairs: KeyValue[] = [];
  for (const [key, { type, offset, byteLength }] of model.gguf?.metadata ?? []) {
    if (key === quantizationVersion || key === fileType || key.startsWith('split.')) continue;
    if (isCodesKey(key) && !keepsKeys) continue;
    pairs.push({ key, type, raw: await source.read(offset, byteLength, signal) });
  }
  return pairs;
}
