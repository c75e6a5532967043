/** Whose findings those of the extension are in the Problems panel. */
export const problemSource = 'Quantscope';

/** Ids that package.json contributes, once; a test compares the two. */
export const commands = {
  compareWith: 'quantscope.compareWith',
  compareWithAdapters: 'quantscope.compareWithAdapters',
  exportReport: 'quantscope.exportReport',
  copySummary: 'quantscope.copySummary',
  evaluate: 'quantscope.evaluate',
  computeImportance: 'quantscope.computeImportance',
  chat: 'quantscope.chatWithVariant',
  quantizeLayer: 'quantscope.quantizeLayer',
  quantizeModel: 'quantscope.quantizeModel',
  runSensitivity: 'quantscope.runSensitivity',
  runSensitivityOverText: 'quantscope.runSensitivityOverText',
  cancelJob: 'quantscope.cancelJob',
  recommendPlan: 'quantscope.recommendPlan',
  savePlan: 'quantscope.savePlan',
  pinFormat: 'quantscope.pinFormat',
  excludeFormat: 'quantscope.excludeFormat',
  releaseFormat: 'quantscope.releaseFormat',
  exportQ4KM: 'quantscope.exportGgufQ4KM',
  exportGguf: 'quantscope.exportGguf',
  exportWithPlan: 'quantscope.exportWithPlan',
  exportOnnx: 'quantscope.exportOnnx',
  exportAdapter: 'quantscope.exportAdapter',
  exportWithAdapters: 'quantscope.exportWithAdapters',
  exportMmproj: 'quantscope.exportMmproj',
  refine: 'quantscope.refine',
  beatFile: 'quantscope.beatFile',
  openPlan: 'quantscope.openPlan',
  comparePlans: 'quantscope.comparePlans',
  dryRunRecipe: 'quantscope.dryRunRecipe',
  convertToSafetensors: 'quantscope.convertToSafetensors',
  verifyFile: 'quantscope.verifyFile',
  verifySource: 'quantscope.verifySource',
  runDoctor: 'quantscope.runDoctor',
  fixFinding: 'quantscope.fixFinding',
  explainFinding: 'quantscope.explainFinding',
  selectDevice: 'quantscope.selectDevice',
  installGpuRuntime: 'quantscope.installGpuRuntime',
  removeGpuRuntime: 'quantscope.removeGpuRuntime',
  restartEngine: 'quantscope.restartEngine',
  openModel: 'quantscope.openModel',
  openRemoteModel: 'quantscope.openRemoteModel',
  setRemoteToken: 'quantscope.setRemoteToken',
  forgetRemoteTokens: 'quantscope.forgetRemoteTokens',
  copyName: 'quantscope.copyName',
  revealTensor: 'quantscope.revealTensor',
  openWalkthrough: 'quantscope.openWalkthrough',
  refreshModels: 'quantscope.refreshModels',
  showLog: 'quantscope.showLog',
} as const;

/** Tasks of tasks.json. */
export const taskType = 'quantscope';

/** The walkthrough, as the command that opens it names it. */
export const walkthrough = 'quantscope.quantscope#start';

/** Views of the activity bar. */
export const views = {
  models: 'quantscope.models',
  jobs: 'quantscope.jobs',
} as const;

export const viewTypes = {
  /** `*.safetensors`, `*.gguf`, `*.pt`, `pytorch_model*.bin`. */
  model: 'quantscope.model',
  /** `*.bin` of any name and `*.ckpt`, which may be something else: as a choice. */
  binary: 'quantscope.binary',
  /** `*.safetensors.index.json` and `*.bin.index.json`, beside the text editor. */
  index: 'quantscope.index',
} as const;

/** Endings of files that may be models, for dialogs. */
export const modelEndings: string[] = ['safetensors', 'sft', 'gguf', 'bin', 'pt', 'pth', 'ckpt', 'json'];

/** Files that may be models, for searches of the workspace. */
export const modelGlob =
  '**/{*.safetensors,*.SAFETENSORS,*.sft,*.gguf,*.GGUF,*.pt,*.pth,*model*.bin,*.index.json,*.index.*.json}';

/** Folders of packages: their files with the same endings (Python's own `.pth`) are not models. */
export const otherGlob = '**/{node_modules,site-packages,dist-packages}/**';

export const contextKeys = {
  /** Paths of the folders that hold models: the explorer's menu of these folders has Quantscope's commands. */
  modelFolders: 'quantscope.modelFolders',
  /** Whether the workspace was searched for models: before that the view of models does not say that there are none. */
  modelsSearched: 'quantscope.modelsSearched',
  // The next three are known once the extension is active; until then the palette offers what they forbid.
  /** ONNX Runtime has no CUDA libraries for this machine. */
  gpuRuntimeUnsupported: 'quantscope.gpuRuntimeUnsupported',
  /** Nothing was installed that could be removed. */
  gpuRuntimeAbsent: 'quantscope.gpuRuntimeAbsent',
  /** No tokens or signatures for servers are kept that could be forgotten. */
  remoteAccessAbsent: 'quantscope.remoteAccessAbsent',
  /** Whether the engine has a job that can be cancelled: the palette offers that only then. */
  jobsRunning: 'quantscope.jobsRunning',
} as const;

export const settings = {
  section: 'quantscope',
  device: 'device',
  allowSoftwareGpu: 'allowSoftwareGpu',
  threads: 'threads',
  gainTokens: 'gainTokens',
  sampleBlocks: 'sampleBlocks',
  curvature: 'curvature',
  importanceMatrix: 'importanceMatrix',
  codes: 'codes',
  latticeTypes: 'latticeTypes',
  backend: 'backend',
  verifyOnOpening: 'verifyOnOpening',
  examineOnOpening: 'examineOnOpening',
} as const;
