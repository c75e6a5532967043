import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileTypeNeedsImportance, fileTypes } from '../../src/exporter/plan/fileTypes';
import { verifySource } from '../../src/exporter/provenance/verifySource';
import { openModel } from '../../src/layouts/openModel';
import { imatrixKeyValues, readImatrix, type Imatrix } from '../../src/model/imatrix';
import type { ProvenanceResult } from '../../src/protocol/provenance';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../support/files';
import { exportTo } from '../support/imatrixFiles';
import { hasOracle, llamaCpp } from '../support/llamaCpp';

const folder = temporaryFolder();
/** The sample as llama.cpp's quantizer takes it: in the type of the checkpoint, and in the one that most people convert to. */
const sources = { BF16: join(folder, 'bf16.gguf'), F16: join(folder, 'f16.gguf') } as const;

async function verify(file: string, imatrix?: Imatrix): Promise<ProvenanceResult> {
  const [model, source] = [await openModel(file), await openModel(sampleFolder)];
  try {
    return await verifySource(model, source, { imatrix });
  } finally {
    await model.close();
    await source.close();
  }
}

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

describe.skipIf(!hasOracle || !hasSharedData)('files of llama.cpp against the checkpoint', () => {
  beforeAll(async () => {
    for (const [type, file] of Object.entries(sources)) await exportTo(sampleFolder, { type }, file);
  });

  // llama.cpp rebuilds the tables of lattice types for each file, which takes a second: from F16 some types are enough.
  it.each([
    ['every file type', 'BF16', fileTypes],
    ['types', 'F16', fileTypes.filter(({ name }) => ['Q4_K_M', 'IQ4_XS', 'Q8_0', 'F32'].includes(name))],
  ] as const)('proves %s, quantized from %s', async (_what, from, types) => {
    const imatrix = await readImatrix(join(sharedData, 'imatrix-sample', 'imatrix.gguf'));
    const importance = {
      imatrix: Object.fromEntries([...imatrix.entries].map(([name, values]) => [name, base64(values)])),
      overrides: imatrixKeyValues(imatrix).map((pair) => ({
        key: pair.key,
        type: pair.type === 'string' ? 'str' : 'int',
        value: 'value' in pair ? pair.value : undefined,
      })),
    } as const;
    const runs = types.flatMap((fileType) =>
      [...(fileTypeNeedsImportance(fileType) ? [] : [false]), true].map((usesImportance) => ({
        ...{ fileType, usesImportance },
        to: join(folder, `theirs-${fileType.name}-${usesImportance}.gguf`),
      })),
    );
    const { codes } = await llamaCpp('quantize', {
      from: sources[from],
      runs: runs.map(({ to, fileType, usesImportance }) => ({
        ...{ to, fileType: fileType.id, options: usesImportance ? importance : {} },
      })),
    });
    expect(new Set(codes)).toEqual(new Set([0]));
    for (const { to, fileType, usesImportance } of runs) {
      const result = await verify(to, usesImportance ? imatrix : undefined);
      const what = `${fileType.name} ${usesImportance ? 'with' : 'without'} importance`;
      expect(result.unproven, what).toEqual([]);
      expect(result.isProven, what).toBe(true);
      expect(result.fileType, what).toMatchObject({ name: fileType.name, otherCount: 0 });
      rmSync(to);
    }
  });
});
