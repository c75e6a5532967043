import { convertModel, previewConversion } from '../../exporter/convert/writeConversion';
import type { ConvertParams, ConvertSettings } from '../../protocol/convert';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Writes the tensors of a model as safetensors. */
export function convertJob(models: OpenModels): Job<'model/convert'> {
  return (params, { signal, progress }) => {
    const settings = settingsOf('model/convert', params);
    return models.use(params, signal, (model) =>
      convertModel(model, settings, params, { signal, onProgress: progress }),
    );
  };
}

/** What that would write. */
export function previewConvertJob(models: OpenModels): Job<'model/convertPreview'> {
  return (params, { signal }) => {
    const settings = settingsOf('model/convertPreview', params);
    return models.use(params, signal, (model) => previewConversion(model, settings, params, signal));
  };
}

/** What is done to the tensors. */
export const convertSettingKinds = {
  dtype: 'convertDtype?',
  names: 'convertNames?',
  decode: 'boolean?',
  allowInfinity: 'boolean?',
} as const;

function settingsOf(method: string, params: ConvertParams): ConvertSettings {
  checkParams(method, params, {
    ...{ ...modelKinds, ...convertSettingKinds, out: 'path' },
    ...{ maxShardBytes: 'count?', single: 'boolean?', overwrite: 'boolean?' },
  });
  const { dtype, decode, allowInfinity, names } = params;
  return {
    ...(names === 'gguf' ? { names } : {}),
    ...(dtype === undefined ? {} : { dtype }),
    ...(decode ? { decode } : {}),
    ...(allowInfinity ? { allowInfinity } : {}),
  };
}
