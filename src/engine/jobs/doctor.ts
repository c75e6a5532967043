import { examine, knownCodes } from '../../doctor/examine';
import { Patient } from '../../doctor/patient';
import { QuantscopeError } from '../../model/errors';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const kinds = { ...modelKinds, only: 'strings?', headersOnly: 'boolean?', fix: 'boolean?' } as const;

/** Examines a model, or says why a file cannot be opened as one. */
export function doctorJob(models: OpenModels): Job<'model/doctor'> {
  return async (params, { signal, progress }) => {
    checkParams('model/doctor', params, kinds);
    const { path, alone = false, adapters = [], only, headersOnly, fix } = params;
    if (adapters.length > 0)
      throw new QuantscopeError(
        'REQUEST',
        'Files are examined as they are: no adapters are merged into them.',
        {
          file: path,
        },
      );
    const codes = only && knownCodes(only);
    const options = { only: codes, headersOnly, fix, signal, onProgress: progress };
    const ref = { path, alone, checked: params.checked ?? false };
    let problem: QuantscopeError;
    try {
      // Opened by itself first: an error of the examination is none of the file.
      await models.use(ref, signal, () => Promise.resolve());
      return await models.use(ref, signal, (model) => examine(new Patient(path, model), options));
    } catch (error) {
      if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
      problem = error;
    }
    return examine(new Patient(path, problem), options);
  };
}
