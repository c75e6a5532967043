import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from './byteSource';
import { QuantscopeError } from './errors';
import { readGguf, type GgufFile } from './gguf';

/** One file of a split GGUF model; without content when it is not there. */
export interface GgufPart {
  readonly path: string;
  readonly source?: ByteSource;
  readonly gguf?: GgufFile;
}

const numbered = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** Whether file names are the parts of one split model. */
export function arePartsOfOne(names: readonly string[]): boolean {
  const bases = new Set(names.map((name) => name.replace(numbered, '')));
  return names.length > 0 && names.every((name) => numbered.test(name)) && bases.size === 1;
}

/**
 * The files of a split GGUF model in order, or nothing when the file is a whole model. `split.count` says which it is; the
 * other files are found by name.
 * @throws QuantscopeError MODEL_FILE when a part disagrees with the one that was opened.
 */
export async function readParts(
  file: string,
  opened: GgufFile,
  open: (path: string) => Promise<ByteSource>,
  signal?: AbortSignal,
): Promise<GgufPart[] | undefined> {
  const count = splitNumber(opened, 'split.count');
  if (count <= 1) return undefined;
  const [, , total = ''] = numbered.exec(file) ?? [];
  if (Number(total) !== count) {
    const message = `The file is part of a model of ${count} files, but its name does not end in -00001-of-${five(count)}.gguf, so the others cannot be found.`;
    throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
  }
  const parts: GgufPart[] = [];
  for (let part = 0; part < count; part++) {
    const name = basename(file).replace(numbered, `-${five(part + 1)}-of-${total}.gguf`);
    parts.push(await readPart(join(dirname(file), name), part, count, open, signal));
  }
  checkTensors(parts, file);
  return parts;
}

async function readPart(
  path: string,
  part: number,
  count: number,
  open: (path: string) => Promise<ByteSource>,
  signal: AbortSignal | undefined,
): Promise<GgufPart> {
  if (!(await exists(path))) return { path };
  const source = await open(path);
  const gguf = await readGguf(source, signal);
  const [no, of] = [splitNumber(gguf, 'split.no'), splitNumber(gguf, 'split.count')];
  if (no === part && of === count) return { path, source, gguf };
  const message = `The file says that it is part ${no + 1} of ${of}, but by its name it is part ${part + 1} of ${count}.`;
  throw new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 });
}

/** A tensor stands in one part only, and all parts together hold as many as the first says. */
function checkTensors(parts: readonly GgufPart[], file: string): void {
  const tensors = parts.flatMap(({ gguf }) => gguf?.tensors ?? []);
  const seen = new Set<string>();
  for (const { name, file: path, offset } of tensors) {
    if (seen.has(name))
      throw new QuantscopeError('MODEL_FILE', 'The tensor stands in two parts of the model.', {
        ...{ file: path, tensor: name, offset },
      });
    seen.add(name);
  }
  const stated = parts[0]?.gguf?.metadata.get('split.tensors.count')?.scalar;
  if (stated === undefined || parts.some(({ gguf }) => !gguf) || Number(stated) === tensors.length) return;
  const message = `The parts hold ${tensors.length} tensors where ${String(stated)} are stated.`;
  throw new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
}

function splitNumber({ metadata }: GgufFile, key: string): number {
  return Number(metadata.get(key)?.scalar ?? 0);
}

const five = (value: number): string => String(value).padStart(5, '0');

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false; // a part that is not there is a state, not an error: the rest is worth looking at
  }
}
