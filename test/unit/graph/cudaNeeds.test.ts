import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { missingForCuda } from '../../../src/graph/cudaNeeds';
import { traceLibraries } from '../../../src/graph/loader';
import { temporaryFolder, writeFile } from '../../support/files';
import {
  buildStandIns,
  canBuildStandIns,
  cudaLibraries,
  cudnnLibrary,
  type StandIns,
} from '../../support/standInProvider';

const folder = temporaryFolder();

describe.skipIf(!canBuildStandIns)('what a CUDA provider needs', () => {
  let standIns: StandIns;
  let provider = '';
  beforeAll(() => {
    standIns = buildStandIns(folder);
    const place = join(folder, 'a folder: with spaces');
    mkdirSync(place);
    provider = writeFile(place, 'provider.so', standIns.provider);
  });
  afterEach(() => vi.unstubAllEnvs());

  it('is what the dynamic loader would load and does not find', async () => {
    const { found, missing, refusal } = await traceLibraries(provider);
    expect([...missing].sort()).toEqual([...cudaLibraries, cudnnLibrary].sort());
    expect(found).toContain('libc.so.6');
    expect(refusal).toBeUndefined();
  });

  it('is named with the versions of CUDA and cuDNN', async () =>
    expect(await missingForCuda(provider)).toBe(
      `ONNX Runtime's CUDA library needs CUDA 12 (${cudaLibraries.join(', ')}) and cuDNN 9 (${cudnnLibrary}): not found. ` +
        'Install CUDA 12 and cuDNN 9, or name the folder of these libraries in LD_LIBRARY_PATH.',
    ));

  it('tells the version of CUDA also where only a library with numbers of its own is missing', async () => {
    const partial = temporaryFolder();
    for (const name of cudaLibraries.filter((library) => !library.startsWith('libcufft')))
      writeFile(partial, name, standIns.bridge);
    writeFile(partial, cudnnLibrary, standIns.bridge);
    vi.stubEnv('LD_LIBRARY_PATH', partial);
    expect(await missingForCuda(provider)).toMatch(
      / needs CUDA 12 \(libcufft\.so\.11\): not found\. Install CUDA 12, or/,
    );
  });

  it('is nothing if all libraries are in the path of the loader', async () => {
    vi.stubEnv('LD_LIBRARY_PATH', standIns.cuda);
    expect(await missingForCuda(provider)).toBeUndefined();
  });

  it('is the provider itself if that is not a library', async () => {
    const broken = writeFile(folder, 'broken.so', standIns.provider.subarray(0, 40));
    expect(await missingForCuda(broken)).toBe('broken.so cannot be loaded: file too short.');
    expect(await missingForCuda(join(folder, 'absent.so'))).toMatch(
      /^absent\.so cannot be loaded: cannot open/,
    );
  });
});
