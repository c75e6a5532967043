import type { OpenSource } from './byteSource';
import { basename, dirname } from 'node:path';
import type { ModelPart } from '../protocol/model';
import { said } from '../protocol/said';
import { readGguf, type GgufFile } from './gguf';
import { hasLeftoverSplit, readParts, type GgufPart, type GgufParts } from './ggufParts';
import { fileIdentity } from './identity';
import { ggufEntry } from './metadataEntries';
import type { ModelContent } from './modelContent';
import { nameFromPath } from './modelName';
import { missingWarning } from './shards';

/**
 * Header of a GGUF file; where it is one of the parts of a split model, of all parts that exist, unless `alone` is set.
 * @throws QuantscopeError MODEL_FILE or IO naming file, tensor and offset.
 */
export async function openGguf(
  file: string,
  alone: boolean,
  notes: readonly string[],
  open: OpenSource,
  signal?: AbortSignal,
): Promise<ModelContent> {
  const source = await open(file);
  const opened = await readGguf(source, signal);
  const split = await readParts(file, opened, open, signal);
  const own: Required<GgufPart> = { path: file, source, gguf: opened };
  const parts = split && !alone ? split.parts : [own];
  const present = parts.flatMap((part) => (part.gguf && part.source ? [part as Required<GgufPart>] : []));
  const missing = parts.filter((part) => !part.gguf).map(({ path }) => basename(path));
  const head = present[0] ?? own;
  const gguf: GgufFile = { ...head.gguf, tensors: present.flatMap((part) => part.gguf.tensors) };
  const value = (key: string): string | undefined => textOf(gguf, key);
  const architecture = value('general.architecture');
  return {
    format: 'gguf',
    name: value('general.name')?.trim() || nameFromPath(dirname(head.path), basename(head.path)),
    ...(architecture === undefined ? {} : { architecture }),
    ...(split ? { part: partOf(file, split, alone) } : {}),
    files: await Promise.all(
      present.map((part) => fileIdentity(part.source, part.gguf, parts.length, signal)),
    ),
    weightFiles: { present: present.length, total: parts.length },
    missingFiles: missing,
    tensors: gguf.tensors,
    metadata: [...gguf.metadata].map(([key, value]) => ggufEntry(key, value, basename(head.path))),
    notes: [...notes, ...leftoverNote(opened)],
    warnings: [
      ...present.flatMap((part) => part.gguf.warnings),
      ...(missing.length === 0 ? [] : [missingWarning('parts', parts.length, missing)]),
    ],
    gguf,
  };
}

function partOf(file: string, { parts, opened }: GgufParts, alone: boolean): ModelPart {
  return { file: basename(file), number: opened + 1, count: parts.length, alone };
}

function leftoverNote(gguf: GgufFile): string[] {
  if (!hasLeftoverSplit(gguf)) return [];
  return [
    said`The file has leftover keys of a split ("split.count"); it holds all tensors and is read as a whole model.`,
  ];
}

function textOf({ metadata }: GgufFile, key: string): string | undefined {
  const scalar = metadata.get(key)?.scalar;
  return typeof scalar === 'string' ? scalar : undefined;
}
