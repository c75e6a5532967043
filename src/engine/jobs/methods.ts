import { compareMethods, refusalOf, type KnownInputs } from '../../exporter/layer/compareMethods';
import { layerTarget } from '../../exporter/layer/layerTarget';
import { saveLayer } from '../../exporter/layer/saveLayer';
import { inputsOf } from '../../files/inputs';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { ggmlFormats } from '../../protocol/ggmlTypes';
import { describeMethods, methodById, methods } from '../../quant/methods/methods';
import { checkedOptions } from '../../quant/methods/options';
import { latestEvidence, storedEvidence } from '../evaluation/obtainEvidence';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Grids that lists show first: those that people name. */
const usual = ['llm-int8', 'int8-row', 'int4-g128', 'int4-g32', 'nf4', 'int3-g64', 'int2-g32'];
const known = [
  ...[...usual, 'uint4-g128-zp', 'uint4-g32-zp', 'uint3-g64-zp', 'uint2-g32-zp', 'nf4-b64-dq', 'fp4'],
  ...['mxfp4', 'nvfp4', 'e4m3-row', 'e5m2-row', 'e4m3-128x128-f32', 'e3m4-row', 'e2m3-g32', 'e3m2-g32'],
];

/** What a layer can be quantized with. */
export function methodChoicesJob(): Job<'methods/list'> {
  return () =>
    Promise.resolve({
      methods: describeMethods(),
      grids: [...known, ...ggmlFormats.map(({ name }) => name)].map((name) => {
        const target = layerTarget(name);
        return { name: target.name, label: target.label };
      }),
      usual: usual.map((name) => layerTarget(name).name),
    });
}

export function methodsJob(models: OpenModels): Job<'tensor/methods'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/methods', params, {
      ...{ ...modelKinds, tensor: 'string', grid: 'string', methods: 'strings?', options: 'record?' },
      cacheDir: 'path?',
    });
    const target = layerTarget(params.grid);
    const chosen = params.methods?.map(methodById) ?? methods;
    return models.use(params, signal, async (model) =>
      compareMethods(model, model.tensor(params.tensor), target, chosen, {
        ...{ known: await knownInputs(model, params.cacheDir), options: params.options, signal },
        onProgress: (done, total) => progress({ message: `${params.tensor}: ${target.name}`, done, total }),
      }),
    );
  };
}

/** Writes a layer, quantized, in the layout of a runtime. */
export function saveMethodJob(models: OpenModels): Job<'tensor/saveMethod'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/saveMethod', params, {
      ...{ ...modelKinds, tensor: 'string', grid: 'string', method: 'string', options: 'record?' },
      ...{ layout: 'string', cacheDir: 'path?', out: 'path' },
    });
    const { tensor: name, out, cacheDir } = params;
    const [target, method] = [layerTarget(params.grid), methodById(params.method)];
    return models.use(params, signal, async (model) => {
      const tensor = model.tensor(name);
      const options = checkedOptions(method, params.options);
      const refused = refusalOf({ method, target, tensor, options });
      if (refused !== undefined)
        throw new QuantscopeError('REQUEST', refused, { file: tensor.file, tensor: name });
      const inputs = await inputsOf(model.description);
      await inputs.check([out]);
      let done = 0;
      const onWeights = (weights: number): void =>
        progress({ message: `${name} → ${target.name}`, done: (done += weights), total: tensor.elements });
      const evidence = (await knownInputs(model, cacheDir))?.source;
      const work = { model, tensor, target, method, options, evidence, signal, onWeights };
      return { out, ...(await saveLayer(work, params.layout, out, inputs)) };
    });
  };
}

/** What an earlier calibration of the model measured. */
async function knownInputs(model: Model, cacheDir: string | undefined): Promise<KnownInputs | undefined> {
  const stored = cacheDir === undefined ? undefined : await storedEvidence(model, cacheDir);
  const source = stored && (await latestEvidence(model, stored.kinds, cacheDir!));
  return source && { stored, source };
}
