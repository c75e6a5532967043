import { saveLayer } from '../../exporter/layer/saveLayer';
import { inputsOf } from '../../files/inputs';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { layerOf } from './lens';

/** Writes a layer, quantized, in the layout of a runtime. */
export function saveMethodJob(models: OpenModels): Job<'tensor/saveMethod'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/saveMethod', params, {
      ...{ ...modelKinds, tensor: 'string', grid: 'string', method: 'string', options: 'record?' },
      ...{ layout: 'string', cacheDir: 'path?', out: 'path' },
    });
    const { tensor: name, out, layout } = params;
    return models.use(params, signal, async (model) => {
      const { known, ...layer } = await layerOf(model, params);
      const inputs = await inputsOf(model.description);
      await inputs.check([out]);
      let done = 0;
      const onWeights = (weights: number): void =>
        progress({
          message: `${name} → ${layer.target.name}`,
          ...{ done: (done += weights), total: layer.tensor.elements },
        });
      const work = { model, ...layer, evidence: known?.source, signal, onWeights };
      return { out, ...(await saveLayer(work, layout, out, inputs)) };
    });
  };
}
