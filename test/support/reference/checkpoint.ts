import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor, Vector } from './math';

export type Config = Readonly<Record<string, unknown>>;

/** What an image in a text changes in the attention of the language part. */
export interface ImageInText {
  /** What a pair of a head is turned by at a position. */
  readonly place?: (position: number, pair: number) => number;
  /** The last position that the query at a position sees. */
  readonly seenUntil?: (position: number) => number;
}

/** Weights and configuration of a Hugging Face folder, read without the project's own reader. */
export class Checkpoint {
  readonly config: Config;
  /** An image in the text that is run. */
  image?: ImageInText;
  private readonly tensors = new Map<string, Tensor>();

  constructor(folder: string) {
    const file = readdirSync(folder).find((name) => name === 'config.json') ?? 'params.json';
    const config = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Config;
    const architectures = config['architectures'] ?? [file];
    this.config = { ...config, ...(config['text_config'] as Config | undefined), architectures };
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.safetensors')))
      this.read(readFileSync(join(folder, name)));
  }

  names(): string[] {
    return [...this.tensors.keys()];
  }

  has(name: string): boolean {
    return this.named(name) !== undefined;
  }

  tensor(name: string): Tensor {
    const found = this.named(name);
    if (!found) throw new Error(`The checkpoint has no ${name}.`);
    return found;
  }

  vector(name: string): Vector {
    return this.tensor(name).data;
  }

  optional(name: string): Vector | undefined {
    return this.named(name)?.data;
  }

  /** Classes without a head leave the prefix out; multimodal ones have another. */
  private named(name: string): Tensor | undefined {
    const prefixes = ['model.', '', 'model.language_model.', 'language_model.model.', 'model.text_model.'];
    const names = [...prefixes.map((prefix) => name.replace(/^model\./, prefix)), `language_model.${name}`];
    return names.map((candidate) => this.tensors.get(candidate)).find((tensor) => tensor !== undefined);
  }

  number(key: string, fallback?: number): number {
    const value = this.config[key] ?? fallback;
    if (typeof value !== 'number') throw new Error(`config.json has no number ${key}.`);
    return value;
  }

  private read(file: Buffer): void {
    const length = Number(file.readBigUInt64LE());
    const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
      if (name === '__metadata__') continue;
      const bytes = file.subarray(8 + length + offsets[0], 8 + length + offsets[1]);
      this.tensors.set(name, { shape, data: decode(bytes, dtype) });
    }
  }
}

/** A finite number of IEEE 754 binary16. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >>> 15 ? -1 : 1, (bits >>> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function decode(bytes: Buffer, dtype: string): Vector {
  if (dtype === 'U8') return Float64Array.from(bytes);
  if (dtype === 'F32')
    return Float64Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
  if (dtype === 'F16')
    return Float64Array.from({ length: bytes.length / 2 }, (_, i) => half(bytes.readUInt16LE(2 * i)));
  if (dtype !== 'BF16') throw new Error(`The reference does not read ${dtype}.`);
  const word = Buffer.alloc(4);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    word.writeUInt16LE(bytes.readUInt16LE(2 * i), 2); // bfloat16 is the upper half of a float32
    return word.readFloatLE(0);
  });
}
