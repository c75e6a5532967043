import { previewOnnx, previewOnnxLayers, writeOnnx, writeOnnxLayers } from '../../exporter/onnx/writeOnnx';
import { weightForms } from '../../exporter/onnx/weightForms';
import { withThreads } from '../../graph/threads';
import { choicesOf, evidenceFor, optionsOf } from '../exportOnnx';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const settingKinds = {
  ...modelKinds,
  weights: 'string',
  method: 'string?',
  blockSize: 'count?',
  asymmetric: 'boolean?',
  floats: 'string?',
  quantizeOutput: 'boolean?',
  external: 'boolean?',
  withoutPast: 'boolean?',
  positions: 'count?',
  accuracyLevel: 'count?',
  layers: 'strings?',
  text: 'path?',
  inputRange: 'inputRange?',
} as const;

/** How weights can be stored in an ONNX file. */
export function onnxFormsJob(): Job<'export/onnxForms'> {
  return () =>
    Promise.resolve(
      weightForms.map(({ id, label, description, needsText }) => ({
        ...{ id, label, description },
        ...(needsText ? { needsText } : {}),
      })),
    );
}

/** Dry run. */
export function onnxPreviewJob(models: OpenModels): Job<'export/onnxPreview'> {
  return (params, { signal }) => {
    checkParams('export/onnxPreview', params, { ...settingKinds, out: 'path?' });
    return models.use(params, signal, async (model) => {
      const choices = await choicesOf(model, params, undefined, signal);
      const options = optionsOf(params);
      return params.layers
        ? previewOnnxLayers(model, params.layers, choices, params.out, options)
        : previewOnnx(model, choices, params.out, options);
    });
  };
}

export function onnxJob(models: OpenModels): Job<'export/onnx'> {
  return (params, context) => {
    const { signal, progress } = context;
    const kinds = { out: 'path', threads: 'count?', device: 'device?', cacheDir: 'path?' } as const;
    checkParams('export/onnx', params, { ...settingKinds, ...kinds });
    return withThreads(params.threads, () =>
      models.use(params, signal, async (model) => {
        const choices = await choicesOf(model, params, await evidenceFor(model, params, context), signal);
        const { layers, out, text } = params;
        const options = { ...optionsOf(params), signal, onProgress: progress, alsoRead: [text] };
        return layers
          ? writeOnnxLayers(model, layers, choices, out, options)
          : writeOnnx(model, choices, out, options);
      }),
    );
  };
}
