import { hasGraph, type GraphScheme } from '../../src/graph/fakeQuant';
import { formats } from '../../src/quant/catalogue';
import type { QuantFormat } from '../../src/quant/format';

/** The formats that ONNX Runtime can measure. */
export const graphFormats: readonly { format: QuantFormat; scheme: GraphScheme }[] = formats.flatMap(
  (format) => (hasGraph(format.scheme) ? [{ format, scheme: format.scheme }] : []),
);
