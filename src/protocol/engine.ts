import type { ExportAdapterParams, ExportedAdapter } from './adapters';
import type {
  CellSize,
  CodePoints,
  FormatError,
  HistogramRequest,
  RegionMap,
  StoredAnalysis,
  TensorAnalysis,
  TensorComparison,
  TensorRegion,
} from './analysis';
import type { BesideModel } from './besideModel';
import type { CertifyEstimate } from './certificate';
import type { CausesParams, CausesResult, ChatParams, ChatProgress, ChatResult } from './chat';
import type { ConvertParams, ConvertPreview, ConvertResult } from './convert';
import type { DocumentCheck } from './documentCheck';
import type { EvidenceEstimate, EvidenceParams, EvidenceResult, StoredEvidence } from './evidence';
import type { LoadedModel } from './loadedModel';
import type {
  ErrorMap,
  ModelComparison,
  OtherModel,
  TensorOverlay,
  ThirdModel,
  ThreeWayComparison,
} from './compare';
import type { ErrorMapParams, LensParams, LensProgress, MethodChoices, TensorLens } from './lens';
import type { SaveMethodParams, SaveMethodResult } from './methods';
import type { ModelScan, ScanParams } from './modelScan';
import type { ExportedMmproj, MmprojPreview, MmprojSettings } from './mmproj';
import type { OnnxForm, OnnxParams, OnnxPreview, OnnxResult, OnnxSettings } from './exportOnnx';
import type { ExportPreview, ExportSettings, FileTypeDescription } from './export';
import type {
  CalibrationParams,
  CalibrationResult,
  EvaluationParams,
  EvaluationCurve,
  EvaluationResult,
  PairedComparison,
  CertifyParams,
} from './evaluation';
import type { NameMatch, NameQuery } from './names';
import type { CertifiedPlan, GroupSuggestion, ModelSizes, PlanBeside, TensorSuggestion } from './planResults';
import type { SavedPlan } from './savedPlans';
import type { SensitivityEstimate, SensitivityParams, StoredParams } from './sensitivityRun';
import type { FormatDescription } from './formats';
import type { GpuRuntimeOffer, GpuRuntimeStatus } from './gpuRuntime';
import type { LocatedModel, MetadataSlice, MetadataSliceParams, ModelLimits, ModelRef } from './model';
import type { Device, DeviceChoice, DeviceReport, Plan, SensitivityTable } from './plan';
import type { ModelIdentity } from './overview';
import type { PreviewParams, PreviewResult } from './preview';
import type {
  QuantizedWeight,
  OutputCheck,
  QuantizeModelParams,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
  RecipeChoices,
} from './quantizeModel';
import type { Recipe } from './recipe';
import type { RecommendedPlan, RecommendParams } from './recommend';
import type {
  RefinementEstimate,
  RefinementParams,
  RefinementPoint,
  RefinementResult,
  RunRefinementParams,
} from './refinement';
import type { ReportParams, SavedReport } from './report';
import type { RunEstimate, RunEstimateParams } from './runEstimate';
import type { RivalOfModel } from './rivalFile';
import type { ChangeSpectra, ChangeSpectrum } from './spectrum';
import type { ProvenanceParams, ProvenanceResult } from './provenance';
import type { DoctorParams, DoctorResult } from './doctor';
import type { RepairParams, RepairResult, VerifyParams, VerifyResult } from './verify';
import type { ScaffoldedModel } from './scaffold';
import type { PackedModel } from './tensorTable';

/** Requests that the extension host and the command line send to the engine process: method → parameters, result. */
export interface EngineRequests {
  'model/open': { params: ModelRef; result: PackedModel };
  /** What cannot be done with the model: a request of its own, because it looks at all names of a checkpoint. */
  'model/limits': { params: ModelRef; result: ModelLimits };
  /** What a model is, in numbers: from headers and its configuration. */
  'model/overview': { params: ModelRef; result: ModelIdentity };
  /** Memory and traffic of a model at run time, its weights in other formats. */
  'model/estimate': { params: RunEstimateParams; result: RunEstimate };
  /** What is known of a model, in Markdown. */
  'model/summary': { params: ReportParams; result: { text: string } };
  /** The same as a file: a page that needs nothing else, or Markdown, by its ending. `made`: what it says of its making. */
  'model/report': { params: ReportParams & { out: string; made: string }; result: SavedReport };
  /** Part of a metadata value that the description shows cut. */
  'model/metadata': { params: MetadataSliceParams & ModelRef; result: MetadataSlice };
  /** The models that files and folders lead to, each once, in the order of the paths; a path that leads to none is left out. */
  'model/locate': { params: { paths: readonly string[] }; result: readonly LocatedModel[] };
  /**
   * What a name, a prefix or a pattern means in the models, those without a match left out, in the order of the paths; a model that cannot be
   * opened is left out. Headers are kept between requests.
   */
  'names/lookup': {
    params: { paths: readonly string[]; query: NameQuery };
    result: readonly NameMatch[];
  };
  /**
   * What was made from a model so far. `evaluationDir`: where evaluations are kept; `among`: files of other models that may have been
   * made from it, besides those in its folder.
   */
  'model/beside': {
    params: StoredParams & { evaluationDir: string; among: readonly string[] };
    result: BesideModel;
  };
  /**
   * What is known about one tensor: its measurements, and the assignment of a plan next to the model.
   * @param estimated where nothing was measured, what headers alone let expect; and a plan of the usual size where there is none.
   */
  'tensor/suggestion': {
    params: StoredParams & { tensor: string; estimated?: boolean };
    result: TensorSuggestion;
  };
  /** The same about several tensors of the exported file, with estimates; undefined where a plan chooses no format for any of them. */
  'group/suggestion': {
    params: StoredParams & { rows: readonly string[] };
    result: GroupSuggestion | undefined;
  };
  /** The size of a model now and by its plan, or by one of the usual size. */
  'model/sizes': { params: StoredParams; result: ModelSizes };
  /** The text of a plan or recipe, checked against the first of some models that it is for. @param file path, whose ending says what it is. */
  'document/check': {
    params: { text: string; file: string; paths: readonly string[] };
    result: DocumentCheck;
  };
  'formats/list': { params: Record<string, never>; result: readonly FormatDescription[] };
  /** Statistics, histogram, outlier map and profiles of one tensor. */
  'tensor/analyse': { params: ModelRef & { tensor: string } & HistogramRequest; result: TensorAnalysis };
  /** How a quantized weight is stored: its parts, codes, scales and zero points or minimums. */
  'tensor/stored': { params: ModelRef & { tensor: string }; result: StoredAnalysis };
  /** The values that weights of a tensor can take in a format, by the median of its scales. */
  'tensor/codePoints': { params: ModelRef & { tensor: string; format: string }; result: CodePoints };
  /** A rectangle of one tensor, down to single weights; `cell`: weights per cell of the map, as few as fit unless given. */
  'tensor/region': {
    params: ModelRef & { tensor: string; region: TensorRegion; cell?: CellSize };
    result: RegionMap;
  };
  /** Error and size of one tensor in each of the formats. */
  'tensor/compare': {
    params: ModelRef & { tensor: string; formats: readonly string[]; bins?: number };
    result: TensorComparison;
  };
  'methods/list': { params: Record<string, never>; result: MethodChoices };
  /** Error and size of one tensor by several recipes; its progress has the rows as they are measured. */
  'tensor/lens': { params: LensParams; result: TensorLens };
  /** Where a recipe changes a tensor. */
  'tensor/errorMap': { params: ErrorMapParams; result: ErrorMap };
  /** Writes a layer, quantized to a grid by a method, in the layout of a runtime. */
  'tensor/saveMethod': { params: SaveMethodParams; result: SaveMethodResult };
  /** Writes the tensors, quantized, to a new safetensors file. */
  'tensor/quantize': { params: QuantizeParams; result: QuantizeResult };
  /** A start of a description of a checkpoint's architecture. */
  'model/scaffold': { params: ModelRef; result: ScaffoldedModel };
  /** Figures of every tensor of a model; its progress counts bytes. What an earlier run finished is not computed again. */
  'model/scan': { params: ScanParams; result: ModelScan };
  /** What runs have finished of it by now. */
  'model/scanned': { params: ScanParams; result: ModelScan };
  /** Looks for faults of a model, and repairs files of settings where it is asked to. */
  'model/doctor': { params: DoctorParams; result: DoctorResult };
  /** The same without reading weights, as a short request. */
  'model/doctorHeaders': { params: DoctorParams; result: DoctorResult };
  /** Checks the files of a model against the digests that were written with them. */
  'model/verify': { params: VerifyParams; result: VerifyResult };
  /** Encodes the source of a GGUF file again and compares the file with it, tensor by tensor; adapters are merged into the source. */
  'model/verifySource': { params: ProvenanceParams; result: ProvenanceResult };
  /** Writes damaged files again, their damaged tensors made of the model that the files were made of. */
  'model/repair': { params: RepairParams; result: RepairResult };
  /** The same of sizes and headers only: reads no weights. */
  'model/verifyHeaders': { params: ModelRef; result: VerifyResult };
  /** Writes the tensors of a model as safetensors: one file, or a checkpoint's folder. */
  'model/convert': { params: ConvertParams; result: ConvertResult };
  /** Writes an adapter as llama.cpp's adapter file. */
  'adapter/export': { params: ExportAdapterParams; result: ExportedAdapter };
  /** Writes the vision part of a checkpoint as llama.cpp's mmproj file. */
  'mmproj/export': { params: MmprojSettings & { out: string }; result: ExportedMmproj };
  /** Dry run: reads no weights, writes nothing. */
  'mmproj/preview': { params: MmprojSettings; result: MmprojPreview };
  /** Dry run: reads no weights, writes nothing. */
  'model/convertPreview': { params: ConvertParams; result: ConvertPreview };
  'device/probe': { params: { device: DeviceChoice; refresh?: boolean }; result: DeviceReport };
  'gpuRuntime/status': { params: Record<string, never>; result: GpuRuntimeStatus };
  /** What an installation would fetch. `proxy`: address of the editor's; else the environment's is used. */
  'gpuRuntime/offer': { params: { proxy?: string }; result: GpuRuntimeOffer };
  /** Fetches and installs the package that the user agreed to, named by its digest. */
  'gpuRuntime/install': { params: { sha512: string; proxy?: string }; result: GpuRuntimeStatus };
  'gpuRuntime/remove': { params: Record<string, never>; result: GpuRuntimeStatus };
  /** What a run would do and its estimated time, before it is started. */
  'sensitivity/estimate': { params: SensitivityParams; result: SensitivityEstimate };
  'sensitivity/run': { params: SensitivityParams; result: SensitivityTable };
  /**
   * What earlier runs left on disk; undefined when nothing was measured yet. For a CPU (the default) with the rounding of inputs,
   * as far as a run has measured it.
   */
  'sensitivity/stored': {
    params: StoredParams;
    result: SensitivityTable | undefined;
  };
  /** A plan file applied to the model: checked against it, with sizes and totals recomputed. */
  'plan/read': { params: ModelRef & { planFile: string }; result: Plan };
  /**
   * The first plan file next to the model, in the order of their names, that is for it; as `plan/read` returns it. With `planFile` no other
   * is tried.
   */
  'plan/beside': { params: ModelRef & { planFile?: string }; result: PlanBeside };
  /** All plans in the folder of a model that are for it; files that cannot be used are left out. */
  'plan/list': { params: ModelRef; result: readonly SavedPlan[] };
  /** What the memory of plans of a model depends on at run time besides the formats that they choose. `isOptimised`: for optimised codes. */
  'plan/loaded': { params: ModelRef & { imatrix?: string; isOptimised: boolean }; result: LoadedModel };
  /** A plan measured as a whole, with its certificate. */
  'plan/certify': { params: CertifyParams; result: CertifiedPlan };
  /** What that would take. */
  'plan/certifyEstimate': { params: CertifyParams; result: CertifyEstimate };
  /**
   * What a GGUF file of the same base gives the tensors that a plan of the model chooses formats for. `isOptimised`: for a plan with optimised
   * codes.
   */
  'plan/rival': {
    params: ModelRef & { rival: string; imatrix?: string; isOptimised: boolean };
    result: RivalOfModel;
  };
  /** The best plan of a model for a goal; measures what is not kept, and writes a file only where one is named. */
  'plan/recommend': { params: RecommendParams; result: RecommendedPlan };
  /** Two models tensor by tensor, the worst first. */
  'model/compare': { params: ModelRef & OtherModel; result: ModelComparison };
  /** Two models against a third, the model: which of them is closer to it, tensor by tensor. */
  'model/compareThree': { params: ModelRef & OtherModel & ThirdModel; result: ThreeWayComparison };
  /** Singular values of the change of all matrices that differ between two models. */
  'model/spectra': { params: ModelRef & OtherModel; result: ChangeSpectra };
  /** The same of one tensor, by its common name. */
  'tensor/spectrum': { params: ModelRef & OtherModel & { tensor: string }; result: ChangeSpectrum };
  /** One tensor of both, by its name in the comparison. */
  'tensor/overlay': { params: ModelRef & OtherModel & { tensor: string }; result: TensorOverlay };
  'export/fileTypes': {
    params: Record<string, never>;
    result: { fileTypes: readonly FileTypeDescription[]; tensorTypes: readonly string[] };
  };
  /** Dry run: reads no weights, writes nothing. */
  'export/preview': { params: ExportSettings & ModelRef & { out?: string }; result: ExportPreview };
  'export/gguf': { params: ExportParams; result: ExportResult };
  /** How weights can be stored in an ONNX file. */
  'export/onnxForms': { params: Record<string, never>; result: readonly OnnxForm[] };
  /** Dry run. */
  'export/onnxPreview': { params: OnnxSettings & ModelRef & { out?: string }; result: OnnxPreview };
  'export/onnx': { params: OnnxParams & ModelRef; result: OnnxResult };
  'recipes/list': { params: Record<string, never>; result: RecipeChoices };
  /** A recipe file, checked. */
  'recipes/read': { params: { file: string }; result: Recipe };
  /** Dry run: reads headers only, writes nothing. */
  'model/quantizePreview': {
    params: ModelRef &
      QuantizeModelSettings &
      Partial<Pick<QuantizeModelParams, 'out' | 'overwrite' | 'cacheDir'>>;
    result: QuantizePreview;
  };
  /** Whether the result of a recipe can be written there; writes nothing. */
  'model/checkOutput': {
    params: ModelRef & { readonly out: string; readonly target: Recipe['target'] };
    result: OutputCheck;
  };
  /** Quantizes a whole model as a recipe says; its progress reports each matrix that is finished. */
  'model/quantize': { params: ModelRef & QuantizeModelParams; result: QuantizeModelResult };
  /** Runs the model over a text or tasks, or embeds pairs of texts with it. */
  'evaluation/run': { params: EvaluationParams; result: EvaluationResult };
  /** Errors of each block and of the output, were a model quantized as a recipe says. */
  'evaluation/preview': { params: PreviewParams; result: PreviewResult };
  /** A model and a variant of it go on with a conversation, each with its own choices; its progress has the answers so far. */
  'chat/run': { params: ChatParams; result: ChatResult };
  /** The tensors whose errors moved the distribution of the token after some others. */
  'chat/causes': { params: CausesParams; result: CausesResult };
  /** Results of earlier runs of a model, latest first. */
  'evaluation/stored': {
    params: ModelRef & { cacheDir: string };
    result: readonly EvaluationResult[];
  };
  'evaluation/remove': { params: ModelRef & { cacheDir: string; id: string }; result: void };
  /** Two stored results on the same tokens, token by token. */
  'evaluation/pair': {
    params: ModelRef & { cacheDir: string; a: string; b: string };
    result: PairedComparison;
  };
  /** Importance matrix of a model from a text. */
  'calibration/run': { params: CalibrationParams; result: CalibrationResult };
  /** Measures what methods need of the inputs of matrices, and keeps it. */
  'evidence/run': { params: EvidenceParams; result: EvidenceResult };
  'evidence/estimate': { params: EvidenceParams; result: EvidenceEstimate };
  /** What is kept from the latest pass over any text. */
  'evidence/stored': { params: ModelRef & { cacheDir: string }; result: StoredEvidence | undefined };
  /** Trains a copy of a GGUF file on the output of its original, and writes its best state. */
  'refinement/run': { params: RunRefinementParams; result: RefinementResult };
  'refinement/estimate': { params: RefinementParams; result: RefinementEstimate };
}

export type EngineMethod = keyof EngineRequests;

/** A tensor by its name, and the id of the format that it gets. */
export interface TensorChoice {
  readonly tensor: string;
  readonly format: string;
}

export interface QuantizeParams extends ModelRef {
  choices: readonly TensorChoice[];
  /** Target `.safetensors`; replaced atomically. */
  out: string;
}
export interface QuantizeResult {
  out: string;
  bytes: number;
  tensors: readonly { tensor: string; result: FormatError }[];
}

export interface ExportParams extends ExportSettings, ModelRef {
  /** Target; for a split model the name that part names derive from. */
  out: string;
  threads?: number;
  /** For optimised codes: where evidence is kept, and where the forward pass over a text runs. */
  cacheDir?: string;
  device?: DeviceChoice;
}
export interface ExportResult extends ExportPreview {
  out: string;
  seconds: number;
}

/** Progress of a running request, at most ten a second. */
export interface EngineProgress {
  /** Current step: usually a tensor's name. */
  message: string;
  /** Steps, or bytes when `unit` says so. */
  done: number;
  total: number;
  unit?: 'bytes';
  /** Estimated seconds left; absent until it can be estimated. */
  secondsLeft?: number;
  device?: Device;
  /** Of an evaluation, once a window is scored. */
  curve?: EvaluationCurve;
  /** Of a refinement: steps in all, and what was measured so far. */
  refinement?: { readonly steps: number; readonly points: readonly RefinementPoint[] };
  /** Of a model that is quantized: matrices that were finished since the previous report. */
  finished?: readonly QuantizedWeight[];
  /** Of a conversation: the answers so far. */
  chat?: ChatProgress;
  /** Of a lens, what is new since the previous report. */
  lens?: LensProgress;
}

/** Host → engine. */
export type EngineInbound =
  | { kind: 'request'; id: number; method: EngineMethod; params: unknown }
  | { kind: 'cancel'; id: number }
  /** Checks that the process responds, even while it works. */
  | { kind: 'ping' };

/** Engine → host. */
export type EngineOutbound =
  | { kind: 'ready'; version: string }
  | { kind: 'pong' }
  | { kind: 'result'; id: number; result: unknown }
  | { kind: 'error'; id: number; error: SerializedError }
  | { kind: 'progress'; id: number; progress: EngineProgress };

export interface SerializedError {
  /** Stable code: "MODEL_FILE", "CANCELLED", "INTERNAL"… */
  code: string;
  /** A sentence for the user. */
  message: string;
  file?: string;
  tensor?: string;
  offset?: number;
  stack?: string;
}
