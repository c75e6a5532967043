import { convertModel, previewConversion } from '../../exporter/convert/writeConversion';
import { QuantscopeError } from '../../model/errors';
import { stated } from '../../model/statedValue';
import {
  convertDtypes,
  convertNames,
  type ConvertParams,
  type ConvertSettings,
} from '../../protocol/convert';
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

function settingsOf(method: string, params: ConvertParams): ConvertSettings {
  checkParams(method, params, {
    ...modelKinds,
    ...{ out: 'path', dtype: 'string?', names: 'string?', decode: 'boolean?', allowInfinity: 'boolean?' },
    ...{ maxShardBytes: 'count?', single: 'boolean?', overwrite: 'boolean?' },
  });
  const { dtype, decode, allowInfinity, names } = params;
  if (dtype !== undefined && !convertDtypes.includes(dtype))
    throw new QuantscopeError(
      'REQUEST',
      `${method}: "dtype" ${stated(dtype)}; one of ${convertDtypes.join(', ')} is needed.`,
    );
  if (names !== undefined && !convertNames.includes(names))
    throw new QuantscopeError(
      'REQUEST',
      `${method}: "names" ${stated(names)}; ${convertNames.join(' or ')} is needed.`,
    );
  return {
    ...(names === 'gguf' ? { names } : {}),
    ...(dtype === undefined ? {} : { dtype }),
    ...(decode ? { decode } : {}),
    ...(allowInfinity ? { allowInfinity } : {}),
  };
}
