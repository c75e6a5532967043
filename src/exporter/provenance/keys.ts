import type { GgufValue } from '../../model/ggufValue';
import type { KeyValue } from '../../model/keyValue';
import type { Model } from '../../model/model';
import type { KeyDifference } from '../../protocol/provenance';
import { ByteWriter } from '../gguf/byteWriter';
import { writeKeyValue } from '../gguf/keyValue';

/** Keys that say how the file is laid out, or how it was made: other figures tell of these. */
const ofTheFile = /^(split\.|general\.(alignment|file_type|quantization_version)$|quantize\.|quantscope\.)/;
/** Keys that change how a model runs. */
const mattering = (key: string): boolean => !key.startsWith('general.') || key === 'general.architecture';

/** Keys of a file whose values are not those that an export of the source writes; compared byte for byte. */
export async function keyDifferences(
  file: Model,
  expected: readonly KeyValue[],
  signal: AbortSignal | undefined,
): Promise<KeyDifference[]> {
  const held: ReadonlyMap<string, GgufValue> = file.gguf?.metadata ?? new Map<string, GgufValue>();
  const first = file.source(file.description.files[0]?.path ?? file.description.path);
  const differences: KeyDifference[] = [];
  const known = new Set<string>();
  for (const pair of expected) {
    const { key } = pair;
    known.add(key);
    if (ofTheFile.test(key)) continue;
    const own = held.get(key);
    if (!own) {
      differences.push({ key, kind: 'missing', matters: false });
      continue;
    }
    const value = valueBytes(pair);
    const isSame =
      own.type === pair.type &&
      own.byteLength === value.length &&
      Buffer.compare(await first.read(own.offset, own.byteLength, signal), value) === 0;
    if (!isSame) differences.push({ key, kind: 'differs', matters: mattering(key) });
  }
  for (const key of held.keys())
    if (!known.has(key) && !ofTheFile.test(key)) differences.push({ key, kind: 'added', matters: false });
  return differences;
}

/** The value of a pair as a file stores it, after its type. */
function valueBytes(pair: KeyValue): Uint8Array {
  if ('raw' in pair) return pair.raw;
  const out = new ByteWriter();
  writeKeyValue(out, pair);
  return out.finish().subarray(8 + Buffer.byteLength(pair.key) + 4);
}
