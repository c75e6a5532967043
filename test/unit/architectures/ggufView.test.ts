import { describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { openModel } from '../../../src/model/openModel';
import { sampleFolder } from '../../support/files';

describe("GGUF's view of a model", () => {
  it('is computed once for each open model, and for another one again', async () => {
    const [model, same] = [await openModel(sampleFolder), await openModel(sampleFolder)];
    const view = ggufView(model);
    expect(ggufView(model)).toBe(view);
    expect(ggufView(same)).not.toBe(view);
    expect(ggufView(same).tensors).toEqual(view.tensors);
    await model.close();
    await same.close();
  });
});
