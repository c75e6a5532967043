import { verifySource } from '../../exporter/provenance/verifySource';
import { QuantscopeError } from '../../model/errors';
import { readImatrix } from '../../model/imatrix';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { said } from '../../protocol/said';

const kinds = { ...modelKinds, source: 'path', imatrix: 'path?' } as const;

/** Compares a GGUF file with an encoding of its source; adapters are merged into the source. */
export function verifySourceJob(models: OpenModels): Job<'model/verifySource'> {
  return async (params, { signal, progress }) => {
    checkParams('model/verifySource', params, kinds);
    const { path, source, adapters = [] } = params;
    if (path === source)
      throw new QuantscopeError(
        'REQUEST',
        said`A file is not its own source: give the model that it was made of.`,
        {
          file: path,
        },
      );
    const imatrix = params.imatrix === undefined ? undefined : await readImatrix(params.imatrix, signal);
    return models.useUnchanged({ ...params, adapters: [] }, signal, (file) =>
      models.useUnchanged({ path: source, adapters }, signal, (original) =>
        verifySource(file, original, { imatrix, signal, onProgress: progress }),
      ),
    );
  };
}
