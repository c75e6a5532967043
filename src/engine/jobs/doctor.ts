import { examine, knownCodes } from '../../doctor/examine';
import { Patient } from '../../doctor/patient';
import { QuantscopeError } from '../../model/errors';
import type { DoctorParams, DoctorResult } from '../../protocol/doctor';
import { said } from '../../protocol/said';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';

const kinds = { ...modelKinds, only: 'strings?', headersOnly: 'boolean?', fix: 'boolean?' } as const;

export function doctorJob(models: OpenModels): Job<'model/doctor'> {
  return async (params, context) => {
    checkParams('model/doctor', params, kinds);
    return examined(models, params, context);
  };
}

/** Reads no weights, so that it may run beside other short requests. */
export function doctorHeadersJob(models: OpenModels): Job<'model/doctorHeaders'> {
  return async (params, context) => {
    checkParams('model/doctorHeaders', params, kinds);
    return examined(models, { ...params, headersOnly: true }, context);
  };
}

/** Examines a model, or says why a file cannot be opened as one. */
async function examined(
  models: OpenModels,
  { path, alone = false, adapters = [], checked = false, only, headersOnly, fix }: DoctorParams,
  { signal, progress }: JobContext,
): Promise<DoctorResult> {
  if (adapters.length > 0) {
    const message = said`Files are examined as they are: no adapters are merged into them.`;
    throw new QuantscopeError('REQUEST', message, { file: path });
  }
  const options = { only: only && knownCodes(only), headersOnly, fix, signal, onProgress: progress };
  const ref = { path, alone, checked };
  let problem: QuantscopeError;
  try {
    return await models.use(ref, signal, (model) => examine(new Patient(path, model), options));
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
    problem = error;
  }
  return examine(new Patient(path, problem), options);
}
