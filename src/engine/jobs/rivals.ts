import { rivalFile } from '../../ampq/rivalFile';
import { frameIfExportable } from '../../exporter/fileFrame';
import { candidatesOf } from '../../exporter/plan/candidates';
import { rivalTypes } from '../../exporter/plan/rivalTypes';
import { readImatrix } from '../../model/imatrix';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** What a GGUF file of the same base gives the tensors of a model, and what a plan needs to be compared with it. */
export function rivalJob(models: OpenModels): Job<'plan/rival'> {
  return (params, { signal }) => {
    checkParams('plan/rival', params, {
      ...{ ...modelKinds, rival: 'path', imatrix: 'path?', isOptimised: 'boolean' },
    });
    const { rival: path, isOptimised } = params;
    return models.use(params, signal, (model) =>
      models.use({ path }, signal, async ({ description }) => {
        const imatrix = params.imatrix === undefined ? undefined : await readImatrix(params.imatrix, signal);
        const { tensors } = await candidatesOf(model, { signal, imatrix, isOptimised });
        const rows = tensors.map(({ converted: { name, shape } }) => ({ tensor: name, shape }));
        const found = rivalFile(description, rows);
        const frame = await frameIfExportable(model, { imatrix, isOptimised }, signal);
        return {
          ...{ ...found, path },
          formats: rivalTypes(found, { hasImportance: imatrix !== undefined, isOptimised }),
          ...(frame ? { frame } : {}),
        };
      }),
    );
  };
}
