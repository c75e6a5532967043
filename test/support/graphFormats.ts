import { hasGraph, type GraphScheme } from '../../src/graph/fakeQuant';
import { formatById, formats } from '../../src/quant/catalogue';
import type { QuantFormat } from '../../src/quant/format';

/** Grids by their names that graphs express: each kind of levels, groups, scales and zero points. */
const grids = [
  ...['int4-g128', 'int3-row-bf16', 'int8-b64-e4m3', 'uint4-g32-zp', 'uint8-tensor-zp-f32'],
  ...['e3m4-row', 'e2m1-g32-e4m3', 'e5m2-tensor'],
];

/** The formats that ONNX Runtime can measure. */
export const graphFormats: readonly { format: QuantFormat; scheme: GraphScheme }[] = [
  ...formats,
  ...grids.map(formatById),
].flatMap((format) => (hasGraph(format.scheme) ? [{ format, scheme: format.scheme }] : []));
