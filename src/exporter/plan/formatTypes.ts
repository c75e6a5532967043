import { importanceOf, type Imatrix } from '../../model/imatrix';
import { matrixOf } from '../../model/rows';
import type { QuantFormat } from '../../quant/format';
import { isMixed } from './mixed';
import type { MixedType } from './mixture';
import type { NamedTensor } from './tensor';
import { said } from '../../protocol/said';

/** One format for every matrix of the blocks that it fits; the others have no type. */
export function formatTypes(
  format: QuantFormat,
  tensors: readonly NamedTensor[],
  imatrix: Imatrix | undefined,
): ReadonlyMap<string, MixedType> {
  const types = new Map<string, MixedType>();
  for (const tensor of tensors) {
    const { name } = tensor.converted;
    if (!name.startsWith('blk.') || !isMixed(tensor.converted) || !suits(format, tensor, imatrix)) continue;
    types.set(name, { type: format.id, cause: 'default', reason: said`format ${format.id}` });
  }
  return types;
}

/** Whether a tensor can be stored in a format; importance weights make up for what a format lacks without them. */
function suits(
  format: QuantFormat,
  { converted: { shape }, unprunedName }: NamedTensor,
  imatrix: Imatrix | undefined,
): boolean {
  const { columns } = matrixOf(shape);
  const experts = shape.length > 2 ? shape[0]! : 1;
  const hasImportance =
    imatrix !== undefined && importanceOf(imatrix, unprunedName, columns, experts) !== undefined;
  return format.refuse(shape, hasImportance) === undefined;
}
