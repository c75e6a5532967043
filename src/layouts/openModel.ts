import { mergedModel } from '../adapters/mergedModel';
import { openCheckedSource } from '../files/digests/checkedSource';
import { ggmlRowBytes, ggmlType } from '../model/dtypes';
import { lastPartsOf } from '../model/lastParts';
import { modelOf, type Model, type OpenFiles } from '../model/model';
import type { FileMetadata, ModelContent } from '../model/modelContent';
import { openFiles } from '../model/openFiles';
import { layoutNotes, quantizedLayoutOf } from '../model/quantizedLayout';
import { matrixOf, maxRowWeights } from '../model/rows';
import { readElements } from '../model/strides';
import { membersOf, tableOf, withTensorsOf } from '../model/tabledModel';
import type { ModelRef, TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import type { Found, Layout, StoredDescriptor } from './layout';
import { layouts } from './layouts';
import { quantscope } from './quantscope';
import { isStored, layoutOf, partReader } from './quantizedReader';
import { warningOf } from './parts';
import { statedBesides } from './stated';
import { StoredReader } from './storedReader';

/**
 * Opens a model, reading headers only: see `openFiles`. Weights that a known layout stores in several tensors are one tensor each, whose
 * data reads as float32. Where the reference says so, all bytes are compared with the digests that were written with them, and adapters are
 * merged.
 * @throws QuantscopeError as `openFiles` and `mergedModel`.
 */
export async function openModel(model: string | ModelRef, signal?: AbortSignal): Promise<Model> {
  const base = await openBase(model, signal);
  if (typeof model === 'string' || !model.adapters || model.adapters.length === 0) return base;
  try {
    return await mergedModel(base, model.adapters, signal);
  } catch (error) {
    await base.close();
    throw error;
  }
}

async function openBase(model: string | ModelRef, signal: AbortSignal | undefined): Promise<Model> {
  const isChecked = typeof model !== 'string' && model.checked === true;
  const files = await openFiles(
    model,
    signal,
    isChecked ? (file) => openCheckedSource(file, signal) : undefined,
  );
  if (files.content.gguf) return modelOf(files);
  try {
    const content = await withLogicalWeights(files, signal);
    return modelOf({ ...files, content }, storedIn(content).length > 0 ? decodingReads(files) : undefined);
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** What the files say, in terms of weights instead of their parts. */
async function withLogicalWeights(files: OpenFiles, signal: AbortSignal | undefined): Promise<ModelContent> {
  const { content, metadataOfFiles } = files;
  const { config, weightFiles } = content;
  let model: Pick<ModelContent, 'tensors'> = content;
  const warnings: string[] = [];
  const taken = new Set<string>();
  const lastParts = [...lastPartsOf(content)];
  for (const layout of layouts) {
    if (!isMarked(layout, lastParts, metadataOfFiles)) continue;
    const { tensors } = model;
    const open = tensors.filter(({ file }) => !taken.has(file));
    const found = await layout.find({ tensors: open, config, metadataOfFiles }, partReader(files), signal);
    for (const file of found.files ?? []) taken.add(file);
    for (const warning of found.warnings) warnings.push(warning);
    if (found.weights.length === 0) continue;
    const { usable, doubled } = usableOf(found, tensors, layout);
    model = { tensors: replaced(tensors, usable) };
    for (const warning of warningOf(doubled, doubledText)) warnings.push(warning);
  }
  const foreign = quantizedLayoutOf(model, config);
  const decoded = storedIn(model);
  const isPlain = decoded.length === 0 && weightFiles.present === weightFiles.total;
  const besides = statedBesides(decoded.length > 0 ? config : undefined);
  const members = {
    ...membersOf(content),
    ...(foreign ? { quantizedLayout: foreign } : {}),
    warnings: [...content.warnings, ...warnings, ...besides.warnings],
    notes: [
      ...[...content.notes, ...decodedNotes(decoded), ...besides.notes],
      ...layoutNotes(foreign, config, isPlain),
    ],
  };
  return withTensorsOf(members, model);
}

const isMarked = ({ mark }: Layout, lastParts: readonly string[], metadata: FileMetadata): boolean =>
  typeof mark === 'string'
    ? [...metadata.values()].some((entries) => entries[mark] !== undefined)
    : lastParts.some((part) => mark.test(part));

/** Weights that a layout decodes; there are none among tensors as they were read. */
const storedIn = (model: Pick<ModelContent, 'tensors'>): StoredDescriptor[] =>
  tableOf(model) ? [] : model.tensors.filter(isStored);

const doubledText = (which: string): string =>
  said`${which} is there as a plain tensor and in parts: the parts are shown as stored.`;

/** The weights that take the place of their parts, and those whose name another tensor has. */
function usableOf(
  { weights }: Found,
  tensors: readonly TensorDescriptor[],
  { cutsRows }: Layout,
): { readonly usable: Found['weights']; readonly doubled: readonly string[] } {
  const fitting = weights.filter(({ weight }) => cutsRows || matrixOf(weight.shape).columns <= maxRowWeights);
  const parts = new Set(fitting.flatMap((found) => found.parts));
  const others = new Set(tensors.flatMap((tensor) => (parts.has(tensor) ? [] : [tensor.name])));
  return {
    usable: fitting.filter(({ weight }) => !others.has(weight.name)),
    doubled: fitting.map(({ weight }) => weight.name).filter((name) => others.has(name)),
  };
}

/** Tensors with each weight in the place of its first part. */
function replaced(
  tensors: readonly TensorDescriptor[],
  weights: Found['weights'],
): readonly TensorDescriptor[] {
  if (weights.length === 0) return tensors;
  const weightAt = new Map(weights.map(({ weight, parts }) => [parts[0]!, weight]));
  const parts = new Set(weights.flatMap((found) => found.parts));
  return tensors.flatMap((tensor) => (parts.has(tensor) ? (weightAt.get(tensor) ?? []) : tensor));
}

/** How many matrices are stored quantized, and how. */
function decodedNotes(decoded: readonly StoredDescriptor[]): string[] {
  const others = decoded.filter(({ stored }) => stored.layout !== quantscope.id);
  if (others.length === 0) return [];
  const dtypes = [...new Set(others.map(({ dtype }) => dtype))].join(', ');
  return [
    others.length === 1
      ? said`One matrix is stored quantized (${dtypes}): decoded weights are shown.`
      : said`${plural(others.length, 'matrix', 'matrices')} are stored quantized (${dtypes}): decoded weights are shown.`,
  ];
}

/** Reads of the weights that layouts decode, and of all others as they are. */
function decodingReads(files: OpenFiles): Pick<Model, 'readInto' | 'codes'> {
  const stored = new StoredReader((tensor) => layoutOf(tensor).decoder(tensor, partReader(files)));
  return {
    readInto: (tensor, offset, target, signal) => {
      if (!isStored(tensor)) return readElements(files.source(tensor.file), tensor, offset, target, signal);
      if (tensor.stored.reads === 'blocks') return readBlocks(files, tensor, offset, target, signal);
      if (tensor.stored.reads === 'factor') return readFactor(files, tensor, target, signal);
      return stored.readInto(tensor, offset, target, signal);
    },
    codes: (tensor) => (isStored(tensor) ? stored.codes(tensor) : undefined),
  };
}

async function readFactor(
  files: OpenFiles,
  tensor: StoredDescriptor,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const factor = await layoutOf(tensor).factor!(tensor, partReader(files), signal);
  target.set(new Uint8Array(Float32Array.of(factor).buffer));
}

/** Bytes of the blocks of ggml that a weight is the same as. @param offset from their start. */
async function readBlocks(
  files: OpenFiles,
  tensor: StoredDescriptor,
  offset: number,
  target: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const type = tensor.stored.blocks!;
  const size = ggmlRowBytes(type, ggmlType(type)!.block);
  const first = Math.floor(offset / size);
  const count = Math.ceil((offset + target.length) / size) - first;
  const bytes = await layoutOf(tensor).blocks!(tensor, partReader(files), { first, count }, signal);
  target.set(bytes.subarray(offset - first * size).subarray(0, target.length));
}
