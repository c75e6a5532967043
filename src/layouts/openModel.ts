import { modelOf, type Model, type OpenFiles } from '../model/model';
import type { ModelContent } from '../model/modelContent';
import { openFiles } from '../model/openFiles';
import { layoutNotes, quantizedLayoutOf } from '../model/quantizedLayout';
import type { ModelRef, TensorDescriptor } from '../protocol/model';
import type { StoredDescriptor } from './layout';
import { layouts } from './layouts';
import { StoredReader } from './storedReader';

/**
 * Opens a model, reading headers only: see `openFiles`. Weights that a known layout stores in several tensors are one tensor each, whose
 * data reads as float32.
 * @throws QuantscopeError as `openFiles`.
 */
export async function openModel(model: string | ModelRef, signal?: AbortSignal): Promise<Model> {
  const files = await openFiles(model, signal);
  if (files.content.gguf) return modelOf(files);
  const content = withLogicalWeights(files);
  return modelOf({ ...files, content }, content.tensors.some(isStored) ? decodingReads(files) : undefined);
}

const isStored = (tensor: TensorDescriptor): tensor is StoredDescriptor => tensor.stored !== undefined;

/** What the files say, in terms of weights instead of their parts. */
function withLogicalWeights({ content, metadataOfFiles }: OpenFiles): ModelContent {
  const { config, weightFiles } = content;
  const found = layouts.map((layout) => layout.find({ ...content, metadataOfFiles }));
  const weightAt = new Map<TensorDescriptor, TensorDescriptor>();
  const parts = new Set<TensorDescriptor>();
  for (const { weight, parts: own } of found.flatMap(({ weights }) => weights)) {
    weightAt.set(own[0]!, weight);
    for (const part of own) parts.add(part);
  }
  const tensors = content.tensors.flatMap((tensor) =>
    parts.has(tensor) ? (weightAt.get(tensor) ?? []) : tensor,
  );
  const layout = quantizedLayoutOf(tensors);
  const isComplete = weightFiles.present === weightFiles.total;
  return {
    ...content,
    tensors,
    ...(layout ? { quantizedLayout: layout } : {}),
    warnings: [...content.warnings, ...found.flatMap(({ warnings }) => warnings)],
    notes: [...content.notes, ...layoutNotes(layout, config, isComplete)],
  };
}

/** Reads of the weights that layouts decode, and of all others as they are. */
function decodingReads(files: OpenFiles): Model['readInto'] {
  const stored = new StoredReader((tensor) => {
    const layout = layouts.find(({ id }) => id === tensor.stored.layout)!;
    return layout.decoder(tensor, async ({ file, offset }, start, length, signal) => {
      const bytes = new Uint8Array(length);
      await files.source(file).readInto(bytes, offset + start, signal);
      return bytes;
    });
  });
  return (tensor, offset, target, signal) =>
    isStored(tensor)
      ? stored.readInto(tensor, offset, target, signal)
      : files.source(tensor.file).readInto(target, tensor.offset + offset, signal);
}
