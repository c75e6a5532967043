import { previewOnnx, previewOnnxLayers, writeOnnx, writeOnnxLayers } from '../../exporter/onnx/writeOnnx';
import { weightForms } from '../../exporter/onnx/weightForms';
import { inputsOf, type Inputs } from '../../files/inputs';
import { withThreads } from '../../graph/threads';
import type { Model } from '../../model/model';
import type { OnnxPreview, OnnxSettings } from '../../protocol/exportOnnx';
import { settingChoices, evidenceFor, writerOptions } from '../exportOnnx';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
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
  transformersJs: 'boolean?',
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
    return models.use(params, signal, (model) => preview(model, params, params.out, { signal }));
  };
}

export function onnxJob(models: OpenModels): Job<'export/onnx'> {
  return (params, context) => {
    const { signal, progress } = context;
    const kinds = { out: 'path', threads: 'count?', device: 'device?', cacheDir: 'path?' } as const;
    checkParams('export/onnx', params, { ...settingKinds, ...kinds });
    const { layers, out, text } = params;
    return withThreads(params.threads, () =>
      models.use(params, signal, async (model) => {
        const inputs = await inputsOf(model.description, text);
        await preview(model, params, out, { signal, inputs }); // rejects the output before minutes of calibration
        const choices = await settingChoices(
          model,
          params,
          await evidenceFor(model, params, context),
          signal,
        );
        const options = { ...writerOptions(params), signal, onProgress: progress, inputs };
        return layers
          ? writeOnnxLayers(model, layers, choices, out, options)
          : writeOnnx(model, choices, out, options);
      }),
    );
  };
}

async function preview(
  model: Model,
  settings: OnnxSettings,
  out: string | undefined,
  { signal, inputs }: Pick<JobContext, 'signal'> & { readonly inputs?: Inputs },
): Promise<OnnxPreview> {
  const choices = await settingChoices(model, settings, undefined, signal);
  const options = { ...writerOptions(settings), inputs };
  return settings.layers
    ? previewOnnxLayers(model, settings.layers, choices, out, options)
    : previewOnnx(model, choices, out, options);
}
