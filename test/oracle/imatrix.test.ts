import { join } from 'node:path';
import koffi from 'koffi';
import { describe, expect, it } from 'vitest';
import { readImatrix } from '../../src/model/imatrix';
import { hasSharedData, sharedData } from '../support/files';
import { ggufLibrary } from '../support/ggufLibrary';
import { hasOracle } from '../support/llamaCpp';

const file = join(sharedData, 'imatrix-sample', 'imatrix.gguf');

describe.skipIf(!hasOracle || !hasSharedData)('an importance matrix that llama-imatrix wrote', () => {
  it('has the entries and values that its own GGUF library reads', async () => {
    const imatrix = await readImatrix(file);
    const theirs = valuesByLibrary(file);
    expect([...imatrix.entries.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [name, values] of theirs) expect(imatrix.entries.get(name), name).toEqual(values);
  });
});

/** Sums over counts in single precision, as the quantizer divides them. */
function valuesByLibrary(path: string): Map<string, Float32Array> {
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
