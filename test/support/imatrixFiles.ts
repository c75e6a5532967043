import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import { exportGguf } from '../../src/exporter/exportGguf';
import type { ExportTarget } from '../../src/exporter/plan';
import { imatrixKeyValues, readImatrix } from '../../src/model/imatrix';
import { openModel } from '../../src/layouts/openModel';
import { ggufLibrary } from './ggufLibrary';
import { llamaCpp } from './llamaCpp';

export async function exportTo(from: string, target: ExportTarget, to: string): Promise<void> {
  const model = await openModel(from);
  try {
    await exportGguf(model, target, to);
  } finally {
    await model.close();
  }
}

/** Sums over counts in single precision, as the quantizer divides them, read by llama.cpp's own GGUF library. */
export function valuesByLibrary(path: string): Map<string, Float32Array> {
  const library = ggufLibrary();
  const { gguf, tensors } = library.open(path, true);
  const floats = (name: string): number[] => {
    const tensor: unknown = library.tensor(tensors, name);
    const count = Number(library.elements(tensor));
    return koffi.decode(library.data(tensor), koffi.array('float', count, 'Array')) as number[];
  };
  const names = Array.from({ length: Number(library.tensorCount(gguf)) }, (_, i) =>
    String(library.tensorName(gguf, i)),
  );
  return new Map(
    names
      .filter((name) => name.endsWith('.in_sum2'))
      .map((name) => {
        const base = name.slice(0, -'.in_sum2'.length);
        const [sums, counts] = [floats(name), floats(`${base}.counts`)];
        const columns = sums.length / counts.length;
        return [base, Float32Array.from(sums, (sum, i) => sum / counts[Math.floor(i / columns)]!)];
      }),
  );
}

/** Q3_K_M of a half-precision file with an importance matrix: what the exporter writes, and what llama_model_quantize does. */
export async function quantizedByBoth(
  half: string,
  written: string,
  folder: string,
): Promise<{ ours: Buffer; theirs: Buffer }> {
  const imatrix = await readImatrix(written);
  // The older format is not GGUF; llama-quantize reads it with the division that src/model/imatrix.ts has.
  const values = written.endsWith('.gguf') ? valuesByLibrary(written) : imatrix.entries;
  const [ours, theirs] = [join(folder, 'ours.gguf'), join(folder, 'theirs.gguf')];
  await exportTo(half, { type: 'Q3_K_M', imatrix }, ours);
  const options = {
    imatrix: Object.fromEntries([...values].map(([tensor, floats]) => [tensor, base64(floats)])),
    overrides: imatrixKeyValues(imatrix).map((pair) => ({
      key: pair.key,
      type: pair.type === 'string' ? ('str' as const) : ('int' as const),
      value: 'value' in pair ? pair.value : undefined,
    })),
  };
  const { codes } = await llamaCpp('quantize', {
    from: half,
    runs: [{ to: theirs, fileType: 12, options }],
  });
  if (codes[0] !== 0) throw new Error(`llama_model_quantize ended with ${codes[0]}.`);
  return { ours: readFileSync(ours), theirs: readFileSync(theirs) };
}

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
