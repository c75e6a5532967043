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
  return numbersOf(name, (key) => {
    const value = gguf.metadata.get(key);
    return value?.array ? value.array.first[0] : value?.scalar;
  });
}

/** The same numbers from the key-values of a file to be. */
export function architectureOfKeyValues(name: string, pairs: readonly KeyValue[]): Architecture {
  return numbersOf(name, (key) => {
    const pair = pairs.find((candidate) => candidate.key === key);
    if (!pair || 'raw' in pair) return undefined;
    return pair.type === 'array' ? pair.values[0] : pair.value;
  });
}

/** @param first the value of a key, of an array the first. */
function numbersOf(name: string, first: (key: string) => unknown): Architecture {
  const number = (key: string): number | undefined => {
    const value = first(`${name}.${key}`);
    return value === undefined ? undefined : Number(value);
  };
  const heads = number('attention.head_count') ?? 0;
  return {
    name,
    blocks: number('block_count') ?? 0,
    heads,
    // As many as heads where the file does not say; a block without attention says 0.
    kvHeads: number('attention.head_count_kv') ?? heads,
    experts: number('expert_count') ?? 0,
  };
}

/** The numbers as overridden key-values change them: a model is mixed as the file will describe it. */
export function overrideArchitecture(
  architecture: Architecture,
  overrides: readonly KeyValue[],
): Architecture {
  const { name, blocks, heads, kvHeads, experts } = architecture;
  const number = (key: string, stated: number): number => {
    const pair = overrides.find((candidate) => candidate.key === `${name}.${key}`);
    return pair && 'value' in pair ? Number(pair.value) : stated;
  };
  return {
    name,
    blocks: number('block_count', blocks),
    heads: number('attention.head_count', heads),
    kvHeads: number('attention.head_count_kv', kvHeads),
    experts: number('expert_count', experts),
  };
}
