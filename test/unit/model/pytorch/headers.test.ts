import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openFileSource, type ByteSource } from '../../../../src/model/byteSource';
import { readPytorchHeader } from '../../../../src/model/pytorch/header';
import { temporaryFolder } from '../../../support/files';
import { writeTorchSample } from '../../../support/torchSample';

const folder = temporaryFolder();

describe.each(['zip', 'legacy'] as const)('the header of a PyTorch file (%s)', (packing) => {
  beforeAll(() => writeTorchSample(join(folder, packing), packing));

  it('is read without the weights', async () => {
    const source = await openFileSource(join(folder, packing, 'pytorch_model.bin'));
    let bytes = 0;
    const counting: ByteSource = {
      ...{ path: source.path, size: source.size, mtimeMs: source.mtimeMs },
      read: (offset, length) => {
        bytes += length;
        return source.read(offset, length);
      },
      readInto: (target, offset) => {
        bytes += target.length;
        return source.readInto(target, offset);
      },
      close: () => source.close(),
    };
    const { tensors } = await readPytorchHeader(counting);
    await source.close();
    expect(tensors).toHaveLength(57);
    expect(source.size).toBeGreaterThan(10_000_000);
    expect(bytes).toBeLessThan(700_000);
  });
});
