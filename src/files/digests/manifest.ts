import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { maxDigestChunk, maxDigestsFile, maxTensors } from '../../model/limits';
import { exists } from '../../model/place';
import { isRemote } from '../../model/remote/address';
import { seal, unseal } from '../../model/sealedJson';
import { readTextFile } from '../../model/textFile';
import { statIfPresent } from '../target';
import { digestBytes, digestOf } from './chunkDigests';
import { rangesOutside } from './rangesOutside';
import { said } from '../../protocol/said';

/** A tensor as the file stores it. */
export interface DigestedTensor {
  readonly name: string;
  /** As the file spells it. */
  readonly dtype: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Absolute byte offset in the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface TensorDigests extends DigestedTensor {
  /** SHA-256 digests of the chunks of the stored bytes, one after the other. */
  readonly chunks: Uint8Array;
}

const actions = ['gguf', 'onnx', 'checkpoint', 'layers', 'convert', 'adapter', 'mmproj'] as const;

/** The model that a file was made of, and how. */
export interface Origin {
  readonly source: {
    readonly name: string;
    /** `modelHash` of it. */
    readonly hash: string;
  };
  /** What was done. */
  readonly action: (typeof actions)[number];
  /** Settings that make the same bytes again, as JSON; files that they name are stated by their digests. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What a file held when it was written. */
export interface DigestManifest {
  /** Of the whole file. */
  readonly bytes: number;
  readonly chunkBytes: number;
  /** SHA-256 digests of the ranges that are not of tensors (header and padding), one after the other: `rangesOutside`. */
  readonly outside: Uint8Array;
  /** By their offsets; none overlaps another. */
  readonly tensors: readonly TensorDigests[];
  readonly origin?: Origin;
}

/** The file that holds the digests of another one. */
export const manifestPath = (file: string): string => `${file}.digests.json`;

const version = 2;

/** One sealed line of JSON. */
export function printManifest({ bytes, chunkBytes, outside, tensors, origin }: DigestManifest): string {
  const content = {
    ...{ writtenBy: 'quantscope', version, algorithm: 'sha256', bytes, chunkBytes },
    outside: Buffer.from(outside).toString('base64'),
    ...(origin ? { origin } : {}),
    tensors: tensors.map(({ chunks, ...tensor }) => ({
      ...tensor,
      digest: digestOf(chunks),
      chunks: Buffer.from(chunks).toString('base64'),
    })),
  };
  return `${seal(content)}\n`;
}

/**
 * The digests that were written with a file; undefined where there are none.
 * @throws QuantscopeError MODEL_FILE naming the list of digests where it is damaged, was edited, or contradicts itself.
 */
export async function readManifest(file: string, signal?: AbortSignal): Promise<DigestManifest | undefined> {
  const path = manifestPath(file);
  if (!(isRemote(path) ? await exists(path) : await statIfPresent(path))) return undefined;
  return parseManifest(await readTextFile(path, maxDigestsFile, signal), path);
}

/** @throws QuantscopeError MODEL_FILE as `readManifest`. */
export function parseManifest(text: string, path: string): DigestManifest {
  const wrong = (message: string, tensor?: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: path, ...(tensor === undefined ? {} : { tensor }) });
  const content = unseal(text.trimEnd());
  if (!isRecord(content) || content['writtenBy'] !== 'quantscope')
    throw wrong(said`The list of digests is damaged, or was edited: it does not match its own digest.`);
  if (content['version'] !== version || content['algorithm'] !== 'sha256')
    throw wrong(
      said`The list of digests is of version ${String(content['version'])}; this program reads ${version}. Export the file again.`,
    );
  const { bytes, chunkBytes, outside, tensors } = content;
  if (!isSize(bytes)) throw wrong(said`"bytes" is not the size of a file.`);
  if (!isSize(chunkBytes) || chunkBytes === 0 || chunkBytes > maxDigestChunk)
    throw wrong(said`"chunkBytes" is not a size from 1 to ${maxDigestChunk}.`);
  if (!Array.isArray(tensors) || tensors.length > maxTensors)
    throw wrong(said`"tensors" is not a list of tensors.`);
  let end = 0;
  const parsed = tensors.map((item: unknown): TensorDigests => {
    const tensor = parseTensor(item, { chunkBytes, fileBytes: bytes, firstByte: end }, wrong);
    end = tensor.offset + tensor.bytes;
    return tensor;
  });
  const ranges = rangesOutside(parsed, bytes).length;
  const digests = parseDigests(outside, ranges);
  if (!digests)
    throw wrong(said`"outside" does not hold the digests of the ${ranges} ranges outside of tensors.`);
  const origin = content['origin'] === undefined ? undefined : parseOrigin(content['origin'], wrong);
  return { bytes, chunkBytes, outside: digests, tensors: parsed, ...(origin ? { origin } : {}) };
}

interface Bounds {
  readonly chunkBytes: number;
  readonly fileBytes: number;
  /** Tensors are listed by their offsets. */
  readonly firstByte: number;
}

function parseTensor(
  item: unknown,
  { chunkBytes, fileBytes, firstByte }: Bounds,
  wrong: (message: string, tensor?: string) => QuantscopeError,
): TensorDigests {
  if (!isRecord(item) || typeof item['name'] !== 'string') throw wrong(said`A tensor has no name.`);
  const { name, dtype, shape, offset, bytes, digest, chunks: text } = item;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(isSize))
    throw wrong(said`The dtype or the shape of a tensor is missing.`, name);
  if (!isSize(offset) || !isSize(bytes) || offset < firstByte || offset + bytes > fileBytes)
    throw wrong(
      said`Its bytes are outside the file of ${fileBytes} bytes, or overlap those of another tensor.`,
      name,
    );
  const count = Math.ceil(bytes / chunkBytes);
  const chunks = parseDigests(text, count);
  if (!chunks)
    throw wrong(said`Its ${bytes} bytes have ${count} chunks; the list does not hold so many digests.`, name);
  if (digest !== digestOf(chunks))
    throw wrong(said`The digest of the tensor is not that of its chunks.`, name);
  return { name, dtype, shape, offset, bytes, chunks };
}

/** So many digests in base64; undefined where the text holds others. */
function parseDigests(text: unknown, count: number): Uint8Array | undefined {
  // The length is compared before anything is allocated: a list may claim any number.
  if (typeof text !== 'string' || text.length !== 4 * Math.ceil((digestBytes * count) / 3)) return undefined;
  const digests = new Uint8Array(Buffer.from(text, 'base64'));
  return digests.length === digestBytes * count ? digests : undefined;
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseOrigin(value: unknown, wrong: (message: string) => QuantscopeError): Origin {
  const { source, action, settings } = isRecord(value) ? value : {};
  const { name, hash } = isRecord(source) ? source : {};
  const known = actions.find((item) => item === action);
  if (
    typeof name !== 'string' ||
    typeof hash !== 'string' ||
    !known ||
    !(settings === undefined || isRecord(settings))
  )
    throw wrong(said`"origin" does not state a model with its hash, and what was done with it.`);
  return { source: { name, hash }, action: known, ...(settings ? { settings } : {}) };
}
