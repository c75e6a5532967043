import { analyseTensor } from '../../analysis/analyse';
import { compareFormats } from '../../analysis/compare';
import { decodeSlabs, tensorRange } from '../../analysis/slabs';
import { inputsOf } from '../../files/inputs';
import { writeSafetensors, type SafetensorsPart } from '../../exporter/writeSafetensors';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/openModel';
import { matrixOf } from '../../model/rows';
import type { TensorDescriptor } from '../../protocol/model';
import type { FormatComparison } from '../../protocol/analysis';
import { formatById } from '../../quant/catalogue';
import type { QuantFormat } from '../../quant/format';
import { rowLayout } from '../../quant/layout';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function analyseJob(models: OpenModels): Job<'tensor/analyse'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/analyse', params, { ...modelKinds, tensor: 'string', bins: 'count?' });
    return models.use(params, signal, (model) =>
      analyseTensor(model, model.tensor(params.tensor), {
        ...(params.bins ? { bins: params.bins } : {}),
        signal,
        onProgress: (done, total) => progress({ message: params.tensor, done, total }),
      }),
    );
  };
}

export function compareJob(models: OpenModels): Job<'tensor/compare'> {
  return (params, { signal }) => {
    checkParams('tensor/compare', params, {
      ...modelKinds,
      tensor: 'string',
      formats: 'strings',
      bins: 'count?',
    });
    const formats = params.formats.map(formatById);
    return models.use(params, signal, (model) =>
      compareFormats(model, model.tensor(params.tensor), formats, {
        signal,
        ...(params.bins ? { bins: params.bins } : {}),
      }),
    );
  };
}

export function quantizeJob(models: OpenModels): Job<'tensor/quantize'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/quantize', params, {
      ...modelKinds,
      tensors: 'strings',
      format: 'string',
      out: 'path',
    });
    const format = formatById(params.format);
    return models.use(params, signal, async (model) => {
      const tensors = params.tensors.map((name) => model.tensor(name));
      const inputs = await inputsOf(model.description);
      await inputs.check([params.out]);
      const results: { tensor: string; result: FormatComparison }[] = [];
      for (const [done, tensor] of tensors.entries()) {
        progress({ message: `${tensor.name} → ${format.id}`, done, total: tensors.length });
        results.push({ tensor: tensor.name, result: await measured(model, tensor, format, signal) });
      }
      const outputs = tensors.flatMap((tensor) => outputsOf(model, tensor, format, signal));
      const metadata = {
        format: 'pt',
        'quantscope.format': format.id,
        'quantscope.scheme': JSON.stringify(format.scheme),
        'quantscope.shapes': JSON.stringify(
          Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor.shape])),
        ),
      };
      const bytes = await writeSafetensors(params.out, outputs, metadata, { signal, inputs });
      return { out: params.out, bytes, tensors: results };
    });
  };
}

async function measured(
  model: Model,
  tensor: TensorDescriptor,
  format: QuantFormat,
  signal: AbortSignal,
): Promise<FormatComparison> {
  const comparison = await compareFormats(model, tensor, [format], { signal });
  const refusal = comparison.refused[0];
  if (refusal)
    throw new QuantscopeError('REQUEST', refusal.reason, { file: tensor.file, tensor: tensor.name });
  return comparison.formats[0]!;
}

/** The tensors that a format writes for one: codes, then scales and zeros, each streamed in its own pass. */
function outputsOf(
  model: Model,
  tensor: TensorDescriptor,
  format: QuantFormat,
  signal: AbortSignal,
): SafetensorsPart[] {
  const { rows, columns } = matrixOf(tensor.shape);
  const layout = rowLayout(format.scheme, columns);
  const sameShape = layout.codesPerRow === columns;
  const parameterShape = layout.groups === 0 ? [1] : [rows, layout.groups];
  const output = (suffix: string, dtype: string, shape: readonly number[]): SafetensorsPart => ({
    name: tensor.name + suffix,
    ...{ dtype, shape },
    data: () => encodedParts(model, tensor, format, suffix, layout.groups === 0, signal),
  });
  return [
    output('', layout.codeDtype, sameShape ? tensor.shape : [rows, layout.codesPerRow]),
    ...(layout.hasScales ? [output('_scale', 'F32', parameterShape)] : []),
    ...(layout.hasZeros ? [output('_zero', 'F32', parameterShape)] : []),
  ];
}

async function* encodedParts(
  model: Model,
  tensor: TensorDescriptor,
  format: QuantFormat,
  suffix: string,
  once: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const range = await tensorRange(model, tensor, signal);
  const { columns } = matrixOf(tensor.shape);
  for await (const { values } of decodeSlabs(model, tensor, signal)) {
    const parts = await format.encode(values, columns, range, signal);
    yield parts.find((part) => part.suffix === suffix)!.data;
    if (once && suffix !== '') return; // one scale serves all slabs
  }
}
