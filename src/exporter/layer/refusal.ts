import { matrixOf } from '../../model/rows';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import { formatById } from '../../quant/catalogue';
import type { LayerWork } from './layerSlabs';

/** What decides whether a method can be applied. */
type Refusable = Pick<LayerWork, 'method' | 'target' | 'options'> & {
  readonly tensor: Pick<TensorDescriptor, 'shape'>;
};

/** Why a method cannot be applied to a tensor; undefined where it can. */
export function refusalOf({ method, target, tensor, options }: Refusable): string | undefined {
  const { rows, columns } = matrixOf(tensor.shape);
  const shape = [rows, columns] as const;
  if (tensor.shape.length < 2 && method.id !== 'rtn') return said`${method.label} quantizes matrices.`;
  if ('grid' in target) return method.refuse({ grid: target.grid, shape, options });
  if (method.id === 'rtn') return formatById(target.type).refuse(tensor.shape);
  if (!method.blocks) return said`${method.label} does not take types of GGUF.`;
  return method.blocks.refuse({ type: target.type, shape, options });
}
