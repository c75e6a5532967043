import { ggmlRowBytes, isQuantizedDtype } from '../../model/dtypes';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { Encoding } from '../../protocol/provenance';
import { encodeTensors } from '../encodeTensor';
import { searchesByImportance } from '../plan/fileTypes';
import type { PlannedTensor } from '../plan/tensor';

/** The ways in which a tensor may have been encoded, the likeliest first. */
export function encodingsOf({ importance, to, from, values }: PlannedTensor): readonly Encoding[] {
  const choices = importanceChoices(to, importance !== undefined);
  const direct = choices.map((choice): Encoding => ({ importance: choice }));
  if (values || from === '' || from.split(', ').some(isQuantizedDtype)) return direct;
  const between = (['F16', 'BF16'] as const).filter((type) => type !== from);
  return [...direct, ...between.flatMap((via) => choices.map((choice) => ({ importance: choice, via })))];
}

function importanceChoices(to: string, isKnown: boolean): readonly Encoding['importance'][] {
  if (!isKnown) return ['none'];
  return searchesByImportance.has(to) ? ['given'] : ['given', 'none'];
}

/**
 * The bytes of a tensor as one encoding gives them, in pieces of whole rows; a piece is valid until the next one is requested.
 * @throws QuantscopeError as `encodeTensors`.
 */
export async function* encodedBy(
  model: Model,
  planned: PlannedTensor,
  { importance: choice, via }: Encoding,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { importance, ...plain } = planned;
  const chosen = choice === 'given' ? planned : plain;
  // A matrix with importance is read expert by expert, whatever it is encoded in.
  const read = via === undefined ? chosen : { ...chosen, to: via };
  const { columns, rows } = matrixOf(planned.shape);
  let done = 0;
  for await (const { bytes } of encodeTensors(model, [read], { signal })) {
    if (via === undefined) {
      yield bytes;
      continue;
    }
    const weights = bytes.length / 2;
    const width = weights % columns === 0 ? columns : weights;
    const target = new Uint8Array(ggmlRowBytes(planned.to, width) * (weights / width));
    const experts = (importance?.length ?? 0) / columns;
    const expert = Math.floor(done / ((rows / experts) * columns));
    const own =
      choice === 'given' ? importance?.subarray(expert * columns, (expert + 1) * columns) : undefined;
    await loadNative().recodeRows(via, bytes, planned.to, width, target, { importance: own, signal });
    done += weights;
    yield target;
  }
}
