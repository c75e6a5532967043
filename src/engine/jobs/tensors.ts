import { analyseTensor } from '../../analysis/analyse';
import { codePoints } from '../../analysis/codePoints';
import { compareFormats } from '../../analysis/compare';
import { analyseStored } from '../../analysis/stored';
import { quantizeTensors } from '../../exporter/quantizeTensors';
import { inputsOf } from '../../files/inputs';
import { plural } from '../../protocol/words';
import { formatById } from '../../quant/catalogue';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function analyseJob(models: OpenModels): Job<'tensor/analyse'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/analyse', params, {
      ...{ ...modelKinds, tensor: 'string', bins: 'bins?', range: 'range?' },
    });
    return models.use(params, signal, (model) =>
      analyseTensor(model, model.tensor(params.tensor), {
        ...(params.bins ? { bins: params.bins } : {}),
        ...(params.range ? { range: params.range } : {}),
        signal,
        onProgress: (done, total) => progress({ message: params.tensor, done, total }),
      }),
    );
  };
}

export function storedJob(models: OpenModels): Job<'tensor/stored'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/stored', params, { ...modelKinds, tensor: 'string' });
    return models.use(params, signal, (model) =>
      analyseStored(model, model.tensor(params.tensor), {
        signal,
        onProgress: (done, total) => progress({ message: params.tensor, done, total }),
      }),
    );
  };
}

export function codePointsJob(models: OpenModels): Job<'tensor/codePoints'> {
  return (params, { signal }) => {
    checkParams('tensor/codePoints', params, { ...modelKinds, tensor: 'string', format: 'string' });
    const format = formatById(params.format);
    return models.use(params, signal, (model) =>
      codePoints(model, model.tensor(params.tensor), format, signal),
    );
  };
}

export function compareJob(models: OpenModels): Job<'tensor/compare'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/compare', params, {
      ...modelKinds,
      tensor: 'string',
      formats: 'strings',
      bins: 'bins?',
    });
    const formats = params.formats.map(formatById);
    return models.use(params, signal, (model) =>
      compareFormats(model, model.tensor(params.tensor), formats, {
        ...(params.bins ? { bins: params.bins } : {}),
        signal,
        onProgress: (done, total) => progress({ message: params.tensor, done, total }),
      }),
    );
  };
}

export function quantizeJob(models: OpenModels): Job<'tensor/quantize'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/quantize', params, {
      ...modelKinds,
      choices: 'choices',
      out: 'path',
    });
    const formats = params.choices.map(({ format }) => formatById(format));
    const { out } = params;
    return models.use(params, signal, async (model) => {
      const choices = params.choices.map(({ tensor }, i) => ({
        tensor: model.tensor(tensor),
        format: formats[i]!,
      }));
      const inputs = await inputsOf(model.description);
      await inputs.check([out]);
      const [first] = params.choices;
      const message =
        choices.length === 1 ? `${first!.tensor} → ${first!.format}` : plural(choices.length, 'tensor');
      const onProgress = (done: number, total: number): void => progress({ message, done, total });
      const written = await quantizeTensors(model, choices, out, { inputs, signal, onProgress });
      return { out, ...written };
    });
  };
}
