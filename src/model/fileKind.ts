import { basename } from 'node:path';
import type { ByteSource } from './byteSource';
import { QuantscopeError } from './errors';
import { maxSafetensorsHeader } from './limits';
import { said } from '../protocol/said';

/** What a file is by its content: the name decides only where the content says nothing. */
export type FileKind = 'safetensors' | 'pytorch' | 'gguf' | 'json';

/** Bytes that are enough to recognize everything below; the title of a web page is further in. */
const startBytes = 1024;

/** Another kind of file that has the name of a model, or is mistaken for one. */
interface Foreign {
  readonly starts: RegExp;
  readonly message: string;
}

/** Patterns are matched against the first bytes as Latin-1 text. */
const foreign: readonly Foreign[] = [
  {
    starts: /^version https:\/\/git-lfs/,
    message: said`This is a Git LFS pointer, not the file itself: run "git lfs pull" to fetch the file.`,
  },
  { starts: /^(ï»¿)?\s*<(!doctype html|html)/i, message: said`This is a web page, not the file itself` },
  {
    starts: /^(ï»¿)?\s*<\?xml/i,
    message: said`This is an XML document, not the file itself: probably an error message of the server that it was downloaded from.`,
  },
  { starts: /^\x1f\x8b/, message: said`This is a gzip file: unpack it (gzip -d) and open the result.` },
  {
    starts: /^PK\x03\x04/,
    message: said`This is a ZIP archive, but not one of PyTorch: unpack it if it is an archive of a model.`,
  },
  {
    starts: /^(BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a)/,
    message: said`This is a compressed archive: unpack it and open the result.`,
  },
  {
    starts: /^[^]{257}ustar/,
    message: said`This is a tar archive: unpack it and open the result.`,
  },
  {
    starts: /^\x89HDF\r\n/,
    message: said`This is an HDF5 file, as Keras and TensorFlow write .h5 files: convert it to safetensors.`,
  },
  {
    starts: /^FUGG/,
    message: said`The file is byte-swapped (magic "FUGG"): big-endian GGUF cannot be read.`,
  },
  { starts: /^lmgg/, message: olderThanGguf('ggml') },
  { starts: /^fmgg/, message: olderThanGguf('ggmf') },
  { starts: /^tjgg/, message: olderThanGguf('ggjt') },
  {
    starts: /^\0{64}/,
    message: said`The file begins with zeros: its space was allocated, but its beginning has not been downloaded yet.`,
  },
];

function olderThanGguf(format: string): string {
  return said`This is a file of the ${format} format from before GGUF; convert it with an old llama.cpp first.`;
}

/**
 * What the file is, from its first bytes.
 * @param byName whether the name decides where the content says nothing.
 * @throws QuantscopeError MODEL_FILE saying what it is instead.
 */
export async function fileKind(
  source: ByteSource,
  { byName = true, signal }: { readonly byName?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<FileKind> {
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: source.path, offset: 0 });
  if (source.size === 0) throw fail(said`The file is empty.`);
  const bytes = await source.read(0, Math.min(startBytes, source.size), signal);
  const start = latin1(bytes);
  if (start.startsWith('GGUF')) return 'gguf';
  if (isSafetensors(bytes)) return 'safetensors';
  if (isPytorch(bytes, source.path)) return 'pytorch';
  const instead = foreignContent(bytes);
  if (instead !== undefined) throw fail(instead);
  if (/^(ï»¿)?\s*\{/.test(start)) return 'json';
  const named = byName ? kindByName(source.path) : undefined;
  if (named) return named;
  throw fail(said`The file is not safetensors, GGUF or a PyTorch file, nor an index of such files.`);
}

/** What a file is by its first bytes, where that is not the kind of file that is wanted; undefined when it is not known. */
export function foreignContent(bytes: Uint8Array): string | undefined {
  const found = foreign.find(({ starts }) => starts.test(latin1(bytes.subarray(0, startBytes))));
  return found && found.message + pageTitle(found, bytes);
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Endings of file names; `.bin` is also the name of anything else. */
const endings: readonly (readonly [RegExp, FileKind])[] = [
  [/\.(safetensors|sft)$/i, 'safetensors'],
  [/\.gguf$/i, 'gguf'],
  [/\.(bin|pt|pth|ckpt)$/i, 'pytorch'],
  [/\.json$/i, 'json'],
];

/** The kind that a file's name stands for. */
export function kindByName(path: string): FileKind | undefined {
  const name = basename(path);
  return endings.find(([ending]) => ending.test(name))?.[1];
}

/** The name of a file of weights without its ending, and what follows it. */
export const withoutEnding = (name: string): string =>
  name.replace(/\.(safetensors|sft|gguf|bin|pt|pth|ckpt)(?![^.]).*$/i, '');

export const isZip = (bytes: Uint8Array): boolean => latin1(bytes.subarray(0, 4)) === 'PK\x03\x04';

/** Name of the first file of an archive: PyTorch puts all files into one folder. */
const torchEntry =
  /^[^/]+\/(data\.pkl|byteorder|version|constants\.pkl|\.format_version|\.storage_alignment|(data|\.data|code|constants|tensors|extra)\/.*)$/;

/** An archive of PyTorch, or a pickle: whatever its name is, Python may be made to load it. */
function isPytorch(bytes: Uint8Array, path: string): boolean {
  if (!isZip(bytes)) return /^\x80[\x02-\x05]/.test(latin1(bytes.subarray(0, 2)));
  if (kindByName(path) === 'pytorch') return true;
  const length = bytes.length < 30 ? 0 : bytes[26]! + 256 * bytes[27]!;
  return torchEntry.test(latin1(bytes.subarray(30, 30 + length)));
}

/** Eight bytes of length, then a JSON object. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9) return false;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return bytes[8] === 0x7b && length <= BigInt(maxSafetensorsHeader);
}

/** The page's title ("Sign in"), which tells why it was saved here. */
function pageTitle({ message }: Foreign, bytes: Uint8Array): string {
  if (!message.includes('web page')) return '';
  const title = /<title>\s*([^<]{1,80})/i
    .exec(Buffer.from(bytes.subarray(0, startBytes)).toString('utf8'))?.[1]
    ?.trim();
  const advice = 'download the file again, signed in where that is needed.';
  return title === undefined ? `: ${advice}` : ` (its title is "${title}"): ${advice}`;
}
