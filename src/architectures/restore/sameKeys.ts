import { QuantscopeError } from '../../model/errors';
import type { GgufFile } from '../../model/gguf';
import type { GgufScalar, GgufValue } from '../../model/ggufValue';
import type { KeyValue } from '../../model/keyValue';
import type { GgufFacts } from './ggufFacts';
import { said } from '../../protocol/said';

/** What llama.cpp takes where a key is absent, by keys without the architecture's name. */
const defaults: Readonly<Record<string, (facts: GgufFacts) => GgufScalar | undefined>> = {
  'attention.head_count_kv': (facts) => facts.number('attention.head_count'),
  'attention.key_length': headSize,
  'attention.value_length': headSize,
  'rope.dimension_count': (facts) => facts.number('attention.key_length') ?? headSize(facts),
  'rope.freq_base': () => 10_000,
  'rope.scaling.original_context_length': (facts) => facts.number('context_length'),
  'rope.scaling.type': () => 'linear',
  vocab_size: (facts) => facts.rows('token_embd.weight'),
};

/** A key that llama.cpp reads only for Granite. */
const isIdle = (key: string, architecture: string): boolean =>
  key === 'rope.scaling.finetuned' && !architecture.startsWith('granite');

function headSize(facts: GgufFacts): number | undefined {
  const [size, heads] = [facts.number('embedding_length'), facts.number('attention.head_count')];
  return size === undefined || heads === undefined ? undefined : size / heads;
}

/**
 * Compares the key-values of a GGUF file's architecture with those that an export of the restored checkpoint would have.
 * @param file of the model, for errors.
 * @throws QuantscopeError UNSUPPORTED naming the first key that differs.
 */
export function requireSameKeys(
  gguf: GgufFile,
  keyValues: readonly KeyValue[],
  facts: GgufFacts,
  className: string,
  file: string,
): void {
  const prefix = `${facts.architecture}.`;
  const ours = new Map(keyValues.map((pair) => [pair.key, pair]));
  const theirs = [...gguf.metadata.keys()].filter((key) => key.startsWith(prefix));
  for (const key of new Set([...ours.keys(), ...theirs])) {
    const bare = key.slice(prefix.length);
    if (isIdle(bare, facts.architecture)) continue;
    const usual = defaults[bare]?.(facts);
    const [mine, its] = [ours.get(key), gguf.metadata.get(key)];
    const wanted = mine ? valuesOf(mine) : usual;
    const found = its ? valuesOfFile(its) : usual;
    if (wanted !== undefined && found !== undefined && isSame(wanted, found)) continue;
    const stated = its ? `is ${shown(found)}` : 'is absent';
    const expressed = mine ? `leads to ${shown(wanted)}` : 'cannot state it';
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The key-value "${key}" ${stated}, but a config.json of ${className} ${expressed}. Names as in GGUF need no config.json (--names gguf).`,
      { file },
    );
  }
}

type Values = GgufScalar | readonly GgufScalar[];

function valuesOf(pair: KeyValue): Values | undefined {
  if ('raw' in pair) return undefined;
  if (pair.type === 'array') return pair.values;
  return pair.type === 'f32' ? Math.fround(Number(pair.value)) : pair.value;
}

/** Undefined for arrays of which the header does not hold all elements: no configuration leads to one. */
function valuesOfFile({ scalar, array }: GgufValue): Values | undefined {
  return array ? array.all : scalar;
}

/** A list of equal elements says the same as one. */
function isSame(a: Values, b: Values): boolean {
  const [left, right] = [a, b].map((value) =>
    Array.isArray(value) ? (value as GgufScalar[]) : [value as GgufScalar],
  );
  const length = Math.max(left!.length, right!.length);
  const isWide = (list: readonly unknown[]): boolean => list.length === length || list.length === 1;
  if (!isWide(left!) || !isWide(right!)) return false;
  return Array.from({ length }, (_, i) => i).every((i) =>
    sameScalar(left![left!.length === 1 ? 0 : i]!, right![right!.length === 1 ? 0 : i]!),
  );
}

const sameScalar = (a: GgufScalar, b: GgufScalar): boolean =>
  typeof a === 'string' || typeof b === 'string'
    ? a === b
    : Math.fround(Number(a)) === Math.fround(Number(b));

const shown = (value: Values | undefined): string =>
  Array.isArray(value)
    ? `[${value.slice(0, 8).join(', ')}${value.length > 8 ? ', …' : ''}]`
    : JSON.stringify(value);
