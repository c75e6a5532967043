import { fileColumns } from '../../architectures/columnOrder';
import type { GgufView } from '../../architectures/ggufView';
import type { Evidence } from '../../quant/methods/method';

/**
 * What was measured of the inputs of a matrix, which the forward pass has in the order of a GGUF file, in the order of the checkpoint.
 * @param name of the matrix as the checkpoint spells it.
 */
export function inCheckpointOrder(evidence: Evidence, view: GgufView, name: string): Evidence {
  const holder = view.tensors.find(({ pieces }) => pieces.some(({ tensor }) => tensor.name === name));
  if (holder?.unit?.order !== 'regroup') return evidence;
  const order = fileColumns(holder.unit);
  const count = order.length;
  const { importance, mean, largest, hessian, inputs } = evidence;
  const rows = <A extends Float32Array | Float64Array>(values: A): A =>
    values.map((_, i) => values[i - (i % count) + order[i % count]!]!) as A;
  return {
    ...evidence,
    ...(importance ? { importance: rows(importance) } : {}),
    ...(mean ? { mean: rows(mean) } : {}),
    ...(largest ? { largest: rows(largest) } : {}),
    ...(inputs ? { inputs: rows(inputs) } : {}),
    ...(hessian
      ? {
          hessian: hessian.map((_, i) => hessian[order[Math.floor(i / count)]! * count + order[i % count]!]!),
        }
      : {}),
  };
}
