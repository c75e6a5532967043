import { scanModel, storedScan } from '../../analysis/modelScan';
import type { ScanParams } from '../../protocol/modelScan';
import { formatById } from '../../quant/catalogue';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const kinds = { ...modelKinds, cacheDir: 'path', format: 'string?' } as const;

const formatOf = ({ format }: ScanParams) => (format === undefined ? undefined : formatById(format));

export function modelScanJob(models: OpenModels): Job<'model/scan'> {
  return (params, { signal, progress }) => {
    checkParams('model/scan', params, kinds);
    const { cacheDir } = params;
    return models.useUnchanged(params, signal, (model) =>
      scanModel(model, {
        ...{ cacheDir, format: formatOf(params), signal },
        onProgress: (step) => progress({ ...step, unit: 'bytes' }),
      }),
    );
  };
}

export function storedScanJob(models: OpenModels): Job<'model/scanned'> {
  return (params, { signal }) => {
    checkParams('model/scanned', params, kinds);
    const { cacheDir } = params;
    return models.use(params, signal, (model) => storedScan(model, { cacheDir, format: formatOf(params) }));
  };
}
