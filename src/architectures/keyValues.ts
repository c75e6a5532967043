import type { KeyValue } from '../model/keyValue';

/** Key-values of one type each; keys of descriptions lack the architecture's name. */
export const u32 = (key: string, value: number): KeyValue => ({ key, type: 'u32', value });
export const i32 = (key: string, value: number): KeyValue => ({ key, type: 'i32', value });
export const f32 = (key: string, value: number): KeyValue => ({ key, type: 'f32', value });
export const bool = (key: string, value: boolean): KeyValue => ({ key, type: 'bool', value });
export const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
/** One number for each layer. */
export const u32s = (key: string, values: readonly number[]): KeyValue => ({
  ...{ key, type: 'array', elementType: 'u32' },
  values,
});

/** Values of `expert_gating_func`: what makes weights of the scores of experts (llama.cpp, llama_expert_gating_func_type). */
export const gatingFunctions = { softmax: 1, sigmoid: 2, softmaxOfChosen: 3 } as const;
