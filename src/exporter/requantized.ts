import { isQuantizedDtype } from '../model/dtypes';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';

/**
 * Said where weights that are stored quantized are quantized again; undefined where there are none.
 * @param dtypes how the source stores each tensor that is quantized; "A, B" where it is joined from several.
 */
export function requantizedNote(dtypes: readonly string[]): string | undefined {
  const again = dtypes.filter((dtype) => dtype.split(', ').some(isQuantizedDtype));
  if (again.length === 0) return undefined;
  const types = [...new Set(again)].join(', ');
  return again.length === 1
    ? said`1 tensor is already quantized (${types}): the existing error remains, and new codes add theirs. The original weights give a more accurate model of the same size.`
    : said`${plural(again.length, 'tensor')} are already quantized (${types}): the existing error remains, and new codes add theirs. The original weights give a more accurate model of the same size.`;
}
