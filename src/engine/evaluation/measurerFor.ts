import { measureSlab } from '../../analysis/measureRows';
import { measureWeighted } from '../../analysis/weightedErrors';
import type { Measurer } from '../../ampq/sensitivity';
import { hasGraph } from '../../graph/fakeQuant';
import { OrtMeasurer } from '../../graph/measurer';
import type { Device } from '../../protocol/device';

const measureOnCpu: Measurer['measure'] = (reader, slab, format, range, { importance, signal }) =>
  importance
    ? measureWeighted(reader, slab, format, range, { importance, signal })
    : measureSlab(reader, slab, format, range, { signal });

/** What measures errors on a device; formats without a graph, and weighted errors, on the addon. */
export function measurerFor(device: Device): { measurer: Measurer; close: () => Promise<void> } {
  if (device === 'cpu')
    return {
      measurer: { device, deviceFor: () => device, measure: measureOnCpu },
      close: () => Promise.resolve(),
    };
  const ort = new OrtMeasurer(device);
  return {
    measurer: {
      device,
      deviceFor: ({ scheme }, hasImportance) => (hasGraph(scheme) && !hasImportance ? device : 'cpu'),
      measure: (reader, slab, format, range, options) =>
        hasGraph(format.scheme) && !options.importance
          ? ort.measureSlab(reader, slab, format, range, options.signal)
          : measureOnCpu(reader, slab, format, range, options),
    },
    close: () => ort.close(),
  };
}
