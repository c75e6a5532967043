import type { Value } from '../../graph/onnxWriter';
import type { Ops } from '../../graph/ops';
import type { ActivationGrid } from './calibrationRanges';

const arrays = { I8: Int8Array, U8: Uint8Array, U16: Uint16Array, F8_E4M3: Uint8Array } as const;

/** A value rounded to a grid: QuantizeLinear, then DequantizeLinear, with one scale. */
export function roundTo(ops: Ops, x: Value, { type, scale, zero }: ActivationGrid, name: string): Value {
  const { graph } = ops;
  const step = graph.tensor(`${name}/scale`, 'F32', [], new Uint8Array(Float32Array.of(scale).buffer));
  // Its type is that of the codes: engines that take symmetric grids only accept it when it is 0.
  const raw = new Uint8Array(arrays[type].of(zero).buffer);
  const inputs = [step, graph.tensor(`${name}/zero_point`, type, [], raw)];
  const codes = graph.node('QuantizeLinear', [x, ...inputs], {}, undefined, `${name}/quantize`);
  return graph.node('DequantizeLinear', [codes, ...inputs], {}, undefined, `${name}/dequantize`);
}
