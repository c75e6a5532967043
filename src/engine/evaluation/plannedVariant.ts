import { toCheckpointOrder, toFileOrder } from '../../architectures/rowOrder';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import { optimisableType, type CodeFinder } from '../../exporter/codes/codeFinder';
import type { RoundInputs } from '../../graph/transformer/graphSources';
import type { WeightChange } from '../../graph/transformer/weights';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { Objective } from '../../protocol/export';
import { said } from '../../protocol/said';
import { formatById } from '../../quant/catalogue';

/** How a model's weights are changed, and their resulting size. */
export interface PlannedVariant {
  /** "original", "Q4_K_M", "tiny.ampq.json": what the results are called. */
  readonly label: string;
  /** By the tensors' names in GGUF. */
  readonly changes: ReadonlyMap<string, WeightChange>;
  /** What weights were changed by: formats, methods. */
  readonly algorithms: readonly string[];
  /** What optimised codes minimise; absent for those of llama.cpp. */
  readonly objective?: Objective;
  /** The model with changed weights, where a recipe changes them; and how it rounds inputs. */
  readonly model?: Model;
  readonly roundInputs?: RoundInputs;
  /** Of all tensors; of a variant those that an export would write. */
  readonly bytes: number;
  readonly parameters: number;
}

/** A tensor as a format stores it, with optimised codes where there is something that finds them. */
export function weightChange(
  converted: ConvertedTensor,
  format: string,
  options: { readonly importance?: Float32Array | undefined; readonly finder?: CodeFinder | undefined },
): WeightChange {
  const { importance, finder } = options;
  const isOptimised = finder !== undefined && optimisableType(converted, format) !== undefined;
  return {
    format: formatById(format),
    ...(importance ? { importance } : {}),
    ...(isOptimised ? { replace: replacement(converted, format, finder) } : {}),
  };
}

/** Codes are found in the order that rows have in the file: with gradients they depend on each other. */
function replacement(
  converted: ConvertedTensor,
  format: string,
  finder: CodeFinder,
): NonNullable<WeightChange['replace']> {
  const { name, unit, columns } = converted;
  const heads = unit?.order === 'interleave' ? unit.rows : undefined;
  return async (expert, firstRow, rows) => {
    if (heads === undefined) return finder.replace({ converted, expert, firstRow }, format, rows);
    if (firstRow % heads !== 0 || rows.length % (heads * columns) !== 0) {
      const message = said`Codes of heads of ${heads} rows are found for whole heads, not for ${rows.length / columns} rows from row ${firstRow}.`;
      throw new QuantscopeError('INTERNAL', message, { tensor: name });
    }
    const moved = toFileOrder(rows, columns, heads);
    const isReplaced = await finder.replace({ converted, expert, firstRow }, format, moved);
    if (isReplaced) toCheckpointOrder(moved, columns, heads, rows);
    return isReplaced;
  };
}
