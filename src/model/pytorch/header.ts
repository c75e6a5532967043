import { basename } from 'node:path';
import { plural } from '../../protocol/words';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { ByteSource } from '../byteSource';
import type { CheckpointHeader } from '../checkpointHeader';
import { QuantscopeError } from '../errors';
import { isZip } from '../fileKind';
import { jsonEntry } from '../metadataEntries';
import { truncationWarning } from '../truncated';
import type { Container } from './container';
import { describeTensor, type Fail } from './describe';
import { openLegacyCheckpoint } from './legacyCheckpoint';
import { stateDictOf } from './stateDict';
import { openZipCheckpoint } from './zipCheckpoint';

/**
 * Reads what a PyTorch file (`.bin`, `.pt`, `.pth`) says, without running any of it and without reading tensor data.
 * @throws QuantscopeError MODEL_FILE naming file, tensor and byte offset when the file breaks the format's rules; the message also names
 * what the file would have Python run.
 */
export async function readPytorchHeader(source: ByteSource, signal?: AbortSignal): Promise<CheckpointHeader> {
  const isArchive = isZip(await source.read(0, Math.min(4, source.size), signal));
  const container = await (isArchive ? openZipCheckpoint : openLegacyCheckpoint)(source, signal);
  const { root, dangers, headerHash } = container;
  const fail: Fail = (message, offset, tensor) =>
    new QuantscopeError('MODEL_FILE', dangers.addedTo(message), {
      ...{ file: source.path, offset },
      ...(tensor === undefined ? {} : { tensor }),
    });
  const state = stateDictOf(root, (message) => fail(message, 0));
  const tensors = await describeAll(source, state.tensors, container, fail);
  const name = basename(source.path);
  const found = dangers.list(source.path);
  return {
    ...{ tensors, headerHash, fileMetadata: {} },
    metadata: [...state.values].map(([key, value]) => jsonEntry(key, value, name)),
    warnings: [...state.warnings, ...truncationWarning(tensors, source.size), ...emptyWarning(tensors, name)],
    notes: [...state.notes, ...sharedNotes(tensors)],
    ...(found.length > 0 ? { dangers: found } : {}),
  };
}

async function describeAll(
  source: ByteSource,
  tensors: ReturnType<typeof stateDictOf>['tensors'],
  container: Container,
  fail: Fail,
): Promise<TensorDescriptor[]> {
  const keys = new Set([...tensors.values()].flatMap(({ view }) => (view ? [view.storage.key] : [])));
  const places = keys.size > 0 ? await container.locate(keys) : new Map<string, never>();
  return [...tensors].map(([name, tensor]) =>
    describeTensor(name, tensor, source, ({ key }) => places.get(key)!, fail),
  );
}

const emptyWarning = (tensors: readonly TensorDescriptor[], file: string): string[] =>
  tensors.length === 0 ? [said`${file} holds no tensor that can be reached without running code.`] : [];

/** Tensors that are the same data, as tied weights are. */
function sharedNotes(tensors: readonly TensorDescriptor[]): string[] {
  const groups = new Map<string, string[]>();
  for (const { name, offset, byteLength, dtype, shape, strides = [] } of tensors) {
    if (byteLength === 0 || offset === 0) continue;
    const place = [offset, dtype, ...shape, '/', ...strides].join(' ');
    const names = groups.get(place);
    if (names) names.push(name);
    else groups.set(place, [name]);
  }
  const shared = [...groups.values()].filter((names) => names.length > 1);
  const [first] = shared;
  if (!first) return [];
  const more = shared.length > 1 ? `, and so do ${plural(shared.length - 1, 'other group')} of tensors` : '';
  return [said`${first.slice(0, 4).join(' and ')} share their data (tied weights)${more}.`];
}
