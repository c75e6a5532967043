import { errorMetrics } from '../../analysis/metrics';
import type { Inputs } from '../../files/inputs';
import type { LayoutWriter, WrittenWeight } from '../../layouts/layout';
import { QuantscopeError } from '../../model/errors';
import { matrixOf } from '../../model/rows';
import type { ErrorMetrics } from '../../protocol/analysis';
import type { Recipe } from '../../protocol/recipe';
import { writeSafetensors } from '../writeSafetensors';
import { quantizeLayer, type LayerWork } from './layerSlabs';

/**
 * Writes one matrix, quantized to a grid by a method, in the layout of a runtime: a safetensors file of its parts.
 * @throws QuantscopeError REQUEST where the layout cannot store it; as `MatrixQuantizer`; as `writeSafetensors`.
 */
export async function saveLayer(
  work: LayerWork,
  writer: LayoutWriter,
  out: string,
  inputs: Inputs,
): Promise<{ bytes: number; error: ErrorMetrics }> {
  const { tensor, target, method, options, signal } = work;
  const place = { file: tensor.file, tensor: tensor.name };
  if (!('grid' in target))
    throw new QuantscopeError('REQUEST', `${writer.label} does not store types of GGUF.`, place);
  const { rows, columns } = matrixOf(tensor.shape);
  const { grid } = target;
  const weight: WrittenWeight = {
    ...{ name: tensor.name, shape: [rows, columns], grid, dtype: tensor.dtype },
    ...(method.permutes?.({ grid, shape: [rows, columns], options }) ? { permuted: true } : {}),
  };
  const refusal = writer.refuse(weight);
  if (refusal !== undefined) throw new QuantscopeError('REQUEST', refusal, place);
  let error = errorMetrics({ count: 0, source: 0, decoded: 0, error: 0, maxError: 0 });
  const group = {
    parts: writer.parts(weight),
    async fill(write: (part: number, bytes: Uint8Array) => Promise<void>): Promise<void> {
      const figures = await quantizeLayer(work, grid, (slabs) => writer.encode(weight, slabs, write));
      error = errorMetrics(figures.sums);
    },
  };
  const recipe: Recipe = {
    ...{ version: 1, id: target.name, label: target.label, description: '', layout: writer.id },
    ...{ target: 'checkpoint', rules: [{ grid, method: { id: method.id } }] },
  };
  const written = { recipe, weights: [weight], kept: [], names: [tensor.name] };
  const metadata = { format: 'pt', ...writer.metadata?.(written) };
  const bytes = await writeSafetensors(out, [group], metadata, { inputs, ...(signal ? { signal } : {}) });
  return { bytes, error };
}
