import type { GgufView } from '../../architectures/ggufView';
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

/** Reads the numbers; what is absent is 0. Of an array (one number per block) the first counts. */
export function architectureOf({
  architecture: name,
  value: first,
}: Pick<GgufView, 'architecture' | 'value'>): Architecture {
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
