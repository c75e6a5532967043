import { QuantscopeError } from '../../model/errors';
import type { KeyValue } from '../../model/keyValue';
import { said } from '../../protocol/said';

/** Longest key and text that llama.cpp accepts (bytes). */
const maxLength = 127;

/** Keys that describe the layout of the file: another value would make it unreadable. */
const layoutKey = /^general\.alignment$|^split\./;

/**
 * Reads `KEY=TYPE:VALUE` as llama.cpp's `--override-kv` does; TYPE is int, float, bool or str. An int becomes u32.
 * @throws QuantscopeError REQUEST naming the text.
 */
export function parseKeyValueOverride(text: string): KeyValue {
  const [, key = '', type = '', value = ''] = /^([^=]+)=(\w+):(.*)$/s.exec(text) ?? [];
  const wrong = (why: string): QuantscopeError =>
    new QuantscopeError('REQUEST', said`"${text}" is not an override: ${why}.`);
  if (key === '') throw wrong(said`write KEY=TYPE:VALUE, as in tokenizer.ggml.add_bos_token=bool:false`);
  if (layoutKey.test(key)) throw wrong(said`${key} describes the file itself and cannot be set`);
  if ([key, value].some((part) => Buffer.byteLength(part) > maxLength))
    throw wrong(said`key and value may have at most ${maxLength} bytes`);
  if (type === 'str') return { key, type: 'string', value };
  if (type === 'bool' && /^(true|false)$/.test(value)) return { key, type: 'bool', value: value === 'true' };
  if (type === 'int' && /^\d+$/.test(value) && Number(value) < 2 ** 32)
    return { key, type: 'u32', value: Number(value) };
  if (type === 'float' && value.trim() !== '' && Number.isFinite(Math.fround(Number(value))))
    return { key, type: 'f32', value: Number(value) };
  throw wrong(said`TYPE is int (0 to 4294967295), float (single precision), bool (true or false) or str`);
}

/** Pairs without those of the same keys, followed by the overrides, as llama.cpp writes them. */
export function overrideKeyValues(pairs: readonly KeyValue[], overrides: readonly KeyValue[]): KeyValue[] {
  return overrides.reduce<KeyValue[]>(
    (result, override) => [...result.filter(({ key }) => key !== override.key), override],
    [...pairs],
  );
}
