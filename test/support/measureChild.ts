import { OrtMeasurer } from '../../src/graph/measurer';
import type { OrtDevice } from '../../src/graph/session';
import { loadNative, type ErrorSums } from '../../src/native';
import { graphFormats } from './graphFormats';
import { Random } from './random';

/** Measures made-up rows in every format, by the addon and on the device that is named, and prints both as JSON. */
const columns = 512;
const values = new Random(31).fill(16 * columns, (random) => random.studentT3() * 0.05);
const range = { min: Math.min(...values), max: Math.max(...values) };
const ort = new OrtMeasurer(process.argv[2] as OrtDevice);
const results: Record<string, { ours: ErrorSums; theirs?: ErrorSums; error?: string }> = {};
for (const { format, scheme } of graphFormats) {
  const decoded = await format.decode(await format.encode(values, columns, range), columns);
  const ours = await loadNative().errorSums(values, decoded);
  try {
    results[format.id] = { ours, theirs: await ort.measure(scheme, values, columns, range) };
  } catch (error) {
    results[format.id] = { ours, error: String(error) };
  }
}
console.log(JSON.stringify(results));
process.exit(0);
