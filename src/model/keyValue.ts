import type { GgufScalar, GgufValueType } from './ggufValue';

export type ScalarType = Exclude<GgufValueType, 'array'>;

/** One entry of GGUF metadata that is made here. `raw` is a value copied from another GGUF file, without its type. */
export type KeyValue =
  | { readonly key: string; readonly type: ScalarType; readonly value: GgufScalar }
  | {
      readonly key: string;
      readonly type: 'array';
      readonly elementType: ScalarType;
      readonly values: readonly GgufScalar[];
    }
  | { readonly key: string; readonly type: GgufValueType; readonly raw: Uint8Array };
