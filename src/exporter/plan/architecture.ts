import type { GgufFile } from '../../model/gguf';
import type { KeyValue } from '../../model/keyValue';

/** The numbers of a model that decide which type a tensor gets. */
export interface Architecture {
  /** `general.architecture`: "llama", "qwen2"… */
  readonly name: string;
  readonly blocks: number;
  /** Attention heads and key-value heads of the first block. */
  readonly heads: number;
  readonly kvHeads: number;
  /** 0 for a dense model. */
  readonly experts: number;
}

/** Reads the numbers from a GGUF file's key-values; what is absent is 0. */
export function architectureOfGguf(gguf: GgufFile): Architecture {
  const text = gguf.metadata.get('general.architecture')?.scalar;
  const name = typeof text === 'string' ? text : '';
  const first = (key: string): number => {
    const value = gguf.metadata.get(`${name}.${key}`);
    return Number(value?.array ? value.array.first[0] : (value?.scalar ?? 0));
  };
  const heads = first('attention.head_count');
  return {
    name,
    blocks: first('block_count'),
    heads,
    kvHeads: first('attention.head_count_kv') || heads,
    experts: first('expert_count'),
  };
}

/** The same numbers from the key-values of a file to be. */
export function architectureOfKeyValues(name: string, pairs: readonly KeyValue[]): Architecture {
  const first = (key: string): number => {
    const pair = pairs.find((candidate) => candidate.key === `${name}.${key}`);
    if (!pair || 'raw' in pair) return 0;
    return Number(pair.type === 'array' ? pair.values[0] : pair.value);
  };
  const heads = first('attention.head_count');
  return {
    name,
    blocks: first('block_count'),
    heads,
    kvHeads: first('attention.head_count_kv') || heads,
    experts: first('expert_count'),
  };
}
