import type { GgufFile } from '../../model/gguf';
import type { GgufScalar } from '../../model/ggufValue';
import { greatestOf } from '../../protocol/extremes';
import type { TensorDescriptor } from '../../protocol/model';
import { valuesOfGguf } from '../ggufView';

/** What a GGUF file says of its architecture, for the config.json that leads to the same. */
export class GgufFacts {
  readonly architecture: string;
  private readonly value: (key: string) => GgufScalar | undefined;
  private readonly tensors: ReadonlyMap<string, TensorDescriptor>;

  /** @param isTied whether the output is the embedding. @param small values of the tensors that follow from a configuration. */
  constructor(
    private readonly gguf: Pick<GgufFile, 'metadata'>,
    tensors: readonly TensorDescriptor[],
    readonly isTied: boolean,
    private readonly small: ReadonlyMap<string, Float32Array>,
  ) {
    this.value = valuesOfGguf(gguf);
    this.architecture = String(this.value('general.architecture') ?? '');
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** A number under a key without the architecture's name, with as few digits as its float32 needs. Of a list the greatest. */
  number(key: string): number | undefined {
    const list = this.list(key);
    const value = list ? greatestOf(list) : this.scalar(key);
    return typeof value === 'number' || typeof value === 'bigint' ? shortest(Number(value)) : undefined;
  }

  /** All elements of a list of numbers or truth values, true as 1. */
  list(key: string): number[] | undefined {
    return this.gguf.metadata.get(`${this.architecture}.${key}`)?.array?.all?.map(Number);
  }

  /** The numbers of all blocks, also where one stands for all. No block is without a tensor. */
  ofBlocks(key: string): number[] {
    const value = this.number(key) ?? 0;
    const blocks = Math.min(this.number('block_count') ?? 0, this.tensors.size);
    return this.list(key) ?? Array.from({ length: blocks }, () => value);
  }

  text(key: string): string | undefined {
    const value = this.scalar(key);
    return typeof value === 'string' ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.scalar(key);
    return typeof value === 'boolean' ? value : undefined;
  }

  /** `tokenizer.ggml.model`. */
  get tokenizer(): unknown {
    return this.value('tokenizer.ggml.model');
  }

  /** An id of a special token; undefined for one that the embedding has no row for. */
  token(name: string): number | undefined {
    const value = this.value(`tokenizer.ggml.${name}_token_id`);
    return typeof value === 'number' && value < (this.rows('token_embd.weight') ?? 0) ? value : undefined;
  }

  has(tensor: string): boolean {
    return this.tensors.has(tensor);
  }

  /** Rows of a matrix; files say of one row only how long it is. */
  rows(tensor: string): number | undefined {
    const { shape, elements } = this.tensors.get(tensor) ?? {};
    return shape && elements! / shape.at(-1)!;
  }

  private scalar(key: string): GgufScalar | undefined {
    return this.value(`${this.architecture}.${key}`);
  }

  /** Numbers of a tensor that a configuration states, with as few digits as they need. */
  numbers(tensor: string): number[] | undefined {
    const values = this.small.get(tensor);
    return values && Array.from(values, shortest);
  }
}

/** The number with the fewest digits that float32 rounds to the same; whole numbers beyond it stay as they are. */
export function shortest(value: number): number {
  if (Number.isInteger(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
