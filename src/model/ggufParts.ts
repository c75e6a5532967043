import { basename, dirname } from 'node:path';
import type { ByteSource } from './byteSource';
import { QuantscopeError, throwIfCancelled } from './errors';
import { readGguf, type GgufFile } from './gguf';
import { kindByName } from './fileKind';
import { inParallel } from './inParallel';
import { maxGgufParts, maxSniffedFiles } from './limits';
import { numberedName } from './modelName';
import { exists, joinPlace, listPlace } from './place';
import { said } from '../protocol/said';

/** Parts that are looked for at the same time: servers answer slowly. */
const partsAtOnce = 8;

/** One file of a split GGUF model; without content when it does not exist. */
export interface GgufPart {
  readonly path: string;
  readonly source?: ByteSource;
  readonly gguf?: GgufFile;
}

/** The parts of a split model in order, and the one that was opened. */
export interface GgufParts {
  readonly parts: readonly GgufPart[];
  /** Counted from 0. */
  readonly opened: number;
}

/**
 * The files of a split GGUF model, or nothing when the file is a whole model. `split.count` says which it is, `split.no` which
 * part a file is; the others are found by their names where the file is named as a part, else by their content.
 * @throws QuantscopeError MODEL_FILE when parts contradict each other.
 */
export async function readParts(
  file: string,
  opened: GgufFile,
  open: (path: string) => Promise<ByteSource>,
  signal?: AbortSignal,
): Promise<GgufParts | undefined> {
  const count = splitNumber(opened, 'split.count');
  if (!isPart(opened)) return undefined;
  const found = new Map<number, Required<GgufPart>>();
  const named = partNames(file, count);
  const take = async (path: string, gguf: GgufFile): Promise<void> => {
    const part = splitNumber(gguf, 'split.no');
    checkClaim(path, part, splitNumber(gguf, 'split.count'), count, found.get(part)?.path);
    found.set(part, { path, gguf, source: await open(path) });
  };
  await take(file, opened);
  for (const path of named.length > 0 ? await present(file, named) : [])
    if (path !== file) await take(path, await readGguf(await open(path), signal));
  if (named.length === 0) await findByContent(file, opened, take, open, signal);
  const parts = Array.from({ length: count }, (_, i) => found.get(i) ?? { path: absentName(i, file, named) });
  checkTensors(parts, file);
  return { parts, opened: splitNumber(opened, 'split.no') };
}

/**
 * Whether the file is one of several: split keys left over in a file that holds all tensors (tools that merge
 * files forget to remove them) do not make it a part.
 */
function isPart(gguf: GgufFile): boolean {
  const count = splitNumber(gguf, 'split.count');
  const stated = gguf.metadata.get('split.tensors.count')?.scalar;
  return count > 1 && (stated === undefined || Number(stated) !== gguf.tensors.length);
}

/** Whether keys say that the file is part of a split model although it is whole. */
export const hasLeftoverSplit = (gguf: GgufFile): boolean =>
  splitNumber(gguf, 'split.count') > 1 && !isPart(gguf);

/** Base names of all parts; none where the file is not named as a part of so many. */
function partNames(file: string, count: number): string[] {
  const [, base = '', number = '', total = '', ending = ''] = numberedName.exec(basename(file)) ?? [];
  if (Number(total) !== count) return [];
  return Array.from(
    { length: count },
    (_, i) => `${base}-${digits(i + 1, number.length)}-of-${total}${ending}`,
  );
}

function absentName(part: number, file: string, named: readonly string[]): string {
  return joinPlace(dirname(file), named[part] ?? `part ${part + 1}`);
}

async function present(file: string, named: readonly string[]): Promise<string[]> {
  const paths = named.map((name) => joinPlace(dirname(file), name));
  const there = await inParallel(paths, partsAtOnce, exists);
  return paths.filter((_, i) => there[i]);
}

/** Parts under other names: GGUF files of the folder that state the same numbers of parts and tensors. */
async function findByContent(
  file: string,
  opened: GgufFile,
  take: (path: string, gguf: GgufFile) => Promise<void>,
  open: (path: string) => Promise<ByteSource>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const keys = ['split.count', 'split.tensors.count'] as const;
  const names = (await listPlace(dirname(file), 'listed', signal))
    .filter((name) => kindByName(name) === 'gguf')
    .sort();
  for (const path of names.slice(0, maxSniffedFiles).map((name) => joinPlace(dirname(file), name))) {
    if (path === file) continue;
    throwIfCancelled(signal);
    const gguf = await open(path)
      .then((source) => readGguf(source, signal))
      .catch(() => undefined); // a file that cannot be opened or read is not a part
    const isSibling =
      gguf && isPart(gguf) && keys.every((key) => splitNumber(gguf, key) === splitNumber(opened, key));
    if (isSibling) await take(path, gguf);
  }
}

function checkClaim(path: string, part: number, of: number, count: number, other: string | undefined): void {
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 });
  if (!Number.isSafeInteger(count) || count > maxGgufParts)
    throw fail(said`"split.count" is ${count}; it must be a whole number of at most ${maxGgufParts}.`);
  if (of !== count)
    throw fail(
      said`The file says that it is part ${part + 1} of ${of}, but the others are parts of ${count}.`,
    );
  if (!Number.isSafeInteger(part) || part < 0 || part >= count)
    throw fail(said`The file says that it is part ${part + 1} of ${count}.`);
  if (other !== undefined)
    throw fail(said`The file says that it is part ${part + 1} of ${count}, as ${basename(other)} does.`);
}

/** Each tensor appears in only one part, and all parts together hold as many as the first states. */
function checkTensors(parts: readonly GgufPart[], file: string): void {
  const tensors = parts.flatMap(({ gguf }) => gguf?.tensors ?? []);
  const seen = new Set<string>();
  for (const { name, file: path, offset } of tensors) {
    if (seen.has(name))
      throw new QuantscopeError('MODEL_FILE', said`The tensor appears in two parts of the model.`, {
        ...{ file: path, tensor: name, offset },
      });
    seen.add(name);
  }
  const stated = parts[0]?.gguf?.metadata.get('split.tensors.count')?.scalar;
  if (stated === undefined || parts.some(({ gguf }) => !gguf) || Number(stated) === tensors.length) return;
  const message = said`The parts hold ${tensors.length} tensors, but ${String(stated)} are stated.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
}

function splitNumber({ metadata }: GgufFile, key: string): number {
  return Number(metadata.get(key)?.scalar ?? 0);
}

const digits = (value: number, length: number): string => String(value).padStart(length, '0');
