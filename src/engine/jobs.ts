import { packModel } from '../model/packTensors';
import { describeFormats } from '../quant/catalogue';
import { checkParams, modelKinds, type Jobs } from './job';
import { loadedModelJob } from './jobs/loadedModel';
import { besideModelJob } from './jobs/beside';
import { calibrationJob } from './jobs/calibration';
import { certifyEstimateJob, certifyJob } from './jobs/certify';
import { causesJob, chatJob } from './jobs/chat';
import { compareModelsJob, compareThreeJob, overlayJob } from './jobs/compare';
import { spectraJob, spectrumJob } from './jobs/spectra';
import { exportAdapterJob } from './jobs/adapters';
import { convertJob, previewConvertJob } from './jobs/convert';
import {
  evaluationJob,
  pairEvaluationsJob,
  previewEvaluationJob,
  removeEvaluationJob,
  storedEvaluationsJob,
} from './jobs/evaluation';
import { evidenceEstimateJob, evidenceJob, storedEvidenceJob } from './jobs/evidence';
import { exportJob, fileTypesJob, previewJob } from './jobs/export';
import { onnxFormsJob, onnxJob, onnxPreviewJob } from './jobs/exportOnnx';
import {
  gpuRuntimeInstallJob,
  gpuRuntimeOfferJob,
  gpuRuntimeRemoveJob,
  gpuRuntimeStatusJob,
} from './jobs/gpuRuntime';
import { errorMapJob, lensJob, methodChoicesJob } from './jobs/lens';
import { locateJob } from './jobs/lookup';
import { metadataJob } from './jobs/metadata';
import { nameJobs } from './jobs/names';
import { modelScanJob, storedScanJob } from './jobs/modelScan';
import { exportMmprojJob, previewMmprojJob } from './jobs/mmproj';
import { limitsJob, overviewJob } from './jobs/overview';
import { listPlansJob, planBesideJob, readPlanJob } from './jobs/plans';
import {
  checkOutputJob,
  previewQuantizeJob,
  quantizeModelJob,
  readRecipeJob,
  recipesJob,
} from './jobs/recipes';
import { recommendJob } from './jobs/recommend';
import { refinementEstimateJob, refinementJob } from './jobs/refinement';
import { repairJob } from './jobs/repair';
import { reportJob, summaryJob } from './jobs/report';
import { rivalJob } from './jobs/rivals';
import { runEstimateJob } from './jobs/runEstimate';
import { regionJob } from './jobs/region';
import { saveMethodJob } from './jobs/saveMethod';
import { scaffoldJob } from './jobs/scaffold';
import { estimateJob, probeJob, sensitivityJob, storedSensitivityJob } from './jobs/sensitivity';
import { analyseJob, compareJob, quantizeJob, codePointsJob, storedJob } from './jobs/tensors';
import { doctorHeadersJob, doctorJob } from './jobs/doctor';
import { documentJob } from './jobs/documents';
import { verifyHeadersJob, verifyJob } from './jobs/verify';
import { verifySourceJob } from './jobs/verifySource';
import type { OpenModels } from './models';

/** Everything the engine does, by the name of the request. The process and the command line share it. */
export const createJobs = (models: OpenModels): Jobs => ({
  ...modelJobs(models),
  ...tensorJobs(models),
  ...planJobs(models),
  ...outputJobs(models),
  ...runJobs(models),
  ...runtimeJobs(),
});

/** What is known of a whole model, and whether it is as it should be. */
function modelJobs(models: OpenModels) {
  return {
    'model/open': (params, { signal }) => {
      checkParams('model/open', params, modelKinds);
      return models.use(params, signal, (model) => Promise.resolve(packModel(model.description)));
    },
    'model/limits': limitsJob(models),
    'model/overview': overviewJob(models),
    'model/estimate': runEstimateJob(models),
    'model/summary': summaryJob(models),
    'model/report': reportJob(models),
    'model/metadata': metadataJob(models),
    'model/locate': locateJob(),
    'model/beside': besideModelJob(models),
    'model/scan': modelScanJob(models),
    'model/scanned': storedScanJob(models),
    'model/doctor': doctorJob(models),
    'model/doctorHeaders': doctorHeadersJob(models),
    'model/verify': verifyJob(models),
    'model/verifySource': verifySourceJob(models),
    'model/scaffold': scaffoldJob(models),
    'model/verifyHeaders': verifyHeadersJob(models),
    'model/repair': repairJob(models),
  } satisfies Partial<Jobs>;
}

/** Tensors, formats and names; models against each other. */
function tensorJobs(models: OpenModels) {
  return {
    'formats/list': () => Promise.resolve(describeFormats()),
    'tensor/analyse': analyseJob(models),
    'tensor/stored': storedJob(models),
    'tensor/codePoints': codePointsJob(models),
    'tensor/region': regionJob(models),
    'tensor/compare': compareJob(models),
    ...nameJobs(models),
    'document/check': documentJob(models),
    'methods/list': methodChoicesJob(),
    'tensor/lens': lensJob(models),
    'tensor/errorMap': errorMapJob(models),
    'tensor/saveMethod': saveMethodJob(models),
    'tensor/quantize': quantizeJob(models),
    'model/compare': compareModelsJob(models),
    'model/compareThree': compareThreeJob(models),
    'model/spectra': spectraJob(models),
    'tensor/spectrum': spectrumJob(models),
    'tensor/overlay': overlayJob(models),
  } satisfies Partial<Jobs>;
}

/** From measurements to plans. */
function planJobs(models: OpenModels) {
  return {
    'sensitivity/estimate': estimateJob(models),
    'sensitivity/run': sensitivityJob(models),
    'sensitivity/stored': storedSensitivityJob(models),
    'plan/read': readPlanJob(models),
    'plan/beside': planBesideJob(models),
    'plan/list': listPlansJob(models),
    'plan/loaded': loadedModelJob(models),
    'plan/certify': certifyJob(models),
    'plan/certifyEstimate': certifyEstimateJob(models),
    'plan/rival': rivalJob(models),
    'plan/recommend': recommendJob(models),
  } satisfies Partial<Jobs>;
}

/** What writes models. */
function outputJobs(models: OpenModels) {
  return {
    'model/convert': convertJob(models),
    'adapter/export': exportAdapterJob(models),
    'mmproj/export': exportMmprojJob(models),
    'mmproj/preview': previewMmprojJob(models),
    'model/convertPreview': previewConvertJob(models),
    'export/fileTypes': fileTypesJob(),
    'export/preview': previewJob(models),
    'export/gguf': exportJob(models),
    'export/onnxForms': onnxFormsJob(),
    'export/onnxPreview': onnxPreviewJob(models),
    'export/onnx': onnxJob(models),
    'recipes/list': recipesJob(),
    'recipes/read': readRecipeJob(),
    'model/quantizePreview': previewQuantizeJob(models),
    'model/checkOutput': checkOutputJob(models),
    'model/quantize': quantizeModelJob(models),
  } satisfies Partial<Jobs>;
}

/** What runs models. */
function runJobs(models: OpenModels) {
  return {
    'evaluation/run': evaluationJob(models),
    'evaluation/stored': storedEvaluationsJob(models),
    'evaluation/remove': removeEvaluationJob(),
    'evaluation/pair': pairEvaluationsJob(models),
    'calibration/run': calibrationJob(models),
    'evaluation/preview': previewEvaluationJob(models),
    'chat/run': chatJob(models),
    'chat/causes': causesJob(models),
    'evidence/run': evidenceJob(models),
    'evidence/estimate': evidenceEstimateJob(models),
    'evidence/stored': storedEvidenceJob(models),
    'refinement/run': refinementJob(models),
    'refinement/estimate': refinementEstimateJob(models),
  } satisfies Partial<Jobs>;
}

/** Devices and the libraries for them. */
function runtimeJobs() {
  return {
    'device/probe': probeJob(),
    'gpuRuntime/status': gpuRuntimeStatusJob(),
    'gpuRuntime/offer': gpuRuntimeOfferJob(),
    'gpuRuntime/install': gpuRuntimeInstallJob(),
    'gpuRuntime/remove': gpuRuntimeRemoveJob(),
  } satisfies Partial<Jobs>;
}
