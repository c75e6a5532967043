import type {
  CellSize,
  CodePoints,
  HistogramRequest,
  RegionMap,
  StoredAnalysis,
  TensorAnalysis,
  TensorRegion,
} from './analysis';
import type { CausesResult, ChatResult, PanelChat, PanelVariant } from './chat';
import type { ErrorMap, OtherModel, TensorOverlay } from './compare';
import type {
  CommandTab,
  ComparisonState,
  EditorState,
  JobState,
  ModelComparisonState,
  TableOutline,
  VerificationState,
} from './editorState';
import type { EngineProgress, TensorChoice } from './engine';
import type { CalibrationSettings, EvaluationResult, PairedComparison } from './evaluation';
import type { EvaluationActivity, EvaluationView, PanelEvaluation } from './evaluationView';
import type { EvidenceEstimate, EvidenceResult, StoredEvidence } from './evidence';
import type { ExportPreview, ExportSettings, FileTypeDescription, TensorTypeRule } from './export';
import type { FitRequest, FittingBits } from './fit';
import type { ErrorMapParams, LensParams, MethodChoices, TensorLens } from './lens';
import type { SaveMethodParams } from './methods';
import type { MetadataSlice, MetadataSliceParams, ModelLimits } from './model';
import type { ScanSettings } from './modelScan';
import type { ScanActivity, ScannedFigures } from './modelScanView';
import type { OverrideKind } from './overrides';
import type { ModelIdentity } from './overview';
import type { Budget, DeviceReport, PlanConstraint } from './plan';
import type { FormatBinding, FormatReasons, PlanFront } from './planFront';
import type { PlanOutline } from './planOutline';
import type { PlanStep } from './planStep';
import type { PreviewResult, PreviewSettings } from './preview';
import type {
  OutputName,
  QuantizationStart,
  QuantizationStep,
  QuantizationView,
  ResolvedOutput,
} from './quantizationView';
import type { QuantizeModelSettings, QuantizePreview } from './quantizeModel';
import type { RefinementEstimate } from './refinement';
import type { PanelRefinement, RefinementActivity, RefinementView } from './refinementView';
import type { OtherChoice, OtherPlan, SavedPlan } from './savedPlans';
import type { SeenFile } from './seen';
import type { RunEstimate, RunEstimateParams, RunTarget } from './runEstimate';
import type { SensitivityEstimate } from './sensitivityRun';
import type { SensitivityFigures } from './sensitivityFigures';
import type { ChangeSpectrum } from './spectrum';

/** Settings of the export panel; `usePlan` stands for the editor's plan. */
export type PanelSettings = ExportSettings & { usePlan?: boolean };

/** Files that the panels ask for. */
export type FileKind =
  'imatrix' | 'plan' | 'text' | 'tasks' | 'pairs' | 'model' | 'original' | 'gguf' | 'recipe';

export interface ExportChoices {
  readonly fileTypes: readonly FileTypeDescription[];
  readonly tensorTypes: readonly string[];
}

/** Webview → host, answered. A caller can cancel each of them (rpc.ts). */
export type WebviewRequests = {
  /** The first message of a page, and the retry of one that could not open its model. */
  ready: { params: Record<string, never>; result: EditorState };
  /** Opens the one file that the editor was given, or the whole model that it is part of; the state comes as `opened`. */
  openAlone: { params: { alone: boolean }; result: void };
  /** Formats whose memory and speed can be estimated. */
  runChoices: {
    params: Record<string, never>;
    result: { types: readonly string[]; recipes: readonly { id: string; label: string }[] };
  };
  /** Memory and traffic of the model at run time in a format, or by the plan of the editor. */
  estimateRun: {
    params: Omit<RunEstimateParams, 'path' | 'targets'> & { target: RunTarget | { kind: 'ownPlan' } };
    result: RunEstimate;
  };
  /** What cannot be done with the model. */
  limits: { params: Record<string, never>; result: ModelLimits };
  /** What the model is, in numbers. */
  overview: { params: Record<string, never>; result: ModelIdentity };
  analyse: {
    params: { tensor: string } & HistogramRequest;
    result: TensorAnalysis;
    progress: EngineProgress;
  };
  /** How a quantized weight is stored. */
  stored: { params: { tensor: string }; result: StoredAnalysis };
  /** The values that weights of a tensor can take in a format. */
  codePoints: { params: { tensor: string; format: string }; result: CodePoints };
  /** A rectangle of a tensor, down to single weights. */
  region: { params: { tensor: string; region: TensorRegion; cell?: CellSize }; result: RegionMap };
  /** Part of a metadata value that the description shows cut. */
  metadata: { params: MetadataSliceParams; result: MetadataSlice };
  /**
   * Runs the same command as the context menu: one tensor is shown by recipes, others and those of `choose` in formats of a quick
   * pick, or in the given ones; `comparison` events follow.
   */
  quantize: {
    params: { tensors: readonly string[]; formats?: readonly string[]; choose?: boolean };
    result: void;
  };
  /** Grids and methods, a calibration text next to the model, and what earlier calibrations measured. */
  methodChoices: {
    params: Record<string, never>;
    result: MethodChoices & { readonly text?: string; readonly evidence?: StoredEvidence };
  };
  /** A tensor by some recipes; progress has the rows as they are measured. */
  lens: {
    params: Pick<LensParams, 'tensor' | 'recipes' | 'options'>;
    result: TensorLens;
    progress: EngineProgress;
  };
  /** Where a recipe changes a tensor. */
  errorMap: {
    params: Pick<ErrorMapParams, 'tensor' | 'grid' | 'method' | 'options'>;
    result: ErrorMap;
  };
  /** What a calibration on a text would take. */
  estimateCalibration: {
    params: { text: string; tokens?: number; context?: number };
    result: EvidenceEstimate;
  };
  /** Runs the model over a text and keeps what methods need to know of the inputs of all matrices. */
  calibrateInputs: { params: { text: string }; result: EvidenceResult; progress: EngineProgress };
  /** Asks for a target and writes the tensor in a layout; undefined when the user cancelled. */
  saveMethod: {
    params: Pick<SaveMethodParams, 'tensor' | 'grid' | 'method' | 'options' | 'layout'>;
    result: { out: string } | undefined;
  };
  /** Asks for a target and writes the tensors, each in its format; undefined when the user cancelled. */
  saveQuantized: { params: { choices: readonly TensorChoice[] }; result: { out: string } | undefined };
  /** Asks for another model and compares it; results come as `modelComparison` events. */
  compareWith: { params: Record<string, never>; result: void };
  /** Asks for adapters and compares the model with itself and them; the same events. */
  compareWithAdapters: { params: Record<string, never>; result: void };
  /** Asks for a third model: which of both is closer to this one; the same events. Rejected without a comparison. */
  compareThird: { params: Record<string, never>; result: void };
  /** One tensor of the comparison in detail. */
  overlay: {
    params: OtherModel & { tensor: string };
    result: TensorOverlay;
    progress: EngineProgress;
  };
  /** Singular values of what differs in one tensor of the comparison. */
  spectrum: {
    params: OtherModel & { tensor: string };
    result: ChangeSpectrum;
    progress: EngineProgress;
  };
  /** What a run of the sensitivity analysis would do, and how long it takes; a second or two of it is run for that. */
  estimateSensitivity: { params: Record<string, never>; result: SensitivityEstimate };
  runSensitivity: { params: Record<string, never>; result: void };
  /** Measures gains for plans of few bits, over the text of those that there are. */
  runForFewBits: { params: Record<string, never>; result: void };
  /** Asks for a text and measures how each tensor affects the output on it. */
  runSensitivityOverText: { params: Record<string, never>; result: void };
  cancelJob: { params: Record<string, never>; result: void };
  /** Continues the job whose process ended, in a new one. */
  resumeJob: { params: Record<string, never>; result: void };
  /** The measurements, as far as they are there; undefined where nothing was measured. */
  sensitivityFigures: {
    params: Record<string, never>;
    result: { revision: number; figures: SensitivityFigures } | undefined;
  };
  /** The plan, undefined where there is none. `since`: revision of the plan that the page has. */
  plan: { params: { since?: number }; result: PlanStep | undefined };
  /**
   * Solves again for a budget; while a slider is `moving` in a few milliseconds, which may miss the optimum by very little. Rejected while
   * the plan is one that was edited in its file.
   */
  solvePlan: { params: { budget: Budget; since?: number; moving: boolean }; result: PlanStep };
  /** The best plans of all sizes under the constraints of the plan, and the presets; undefined where nothing was measured. */
  planFront: { params: Record<string, never>; result: PlanFront | undefined };
  /** Why the plan gives a tensor its format, and what others would cost. */
  formatReasons: { params: { tensor: string }; result: FormatReasons };
  /** Solves again at the size of the plan with these constraints; a `plan` event follows. Rejected as `solvePlan`, and where no plan meets them. */
  constrainPlan: { params: { constraints: readonly PlanConstraint[] }; result: void };
  /** The same after some tensors, by their names in the plan, were pinned to a format, kept from one, or released. */
  /** Pins a tensor of the model, by its name there, to a format of the plan. Rejected without a plan that lists both. */
  pinInPlan: { params: { tensor: string; format: string }; result: void };
  bindFormats: { params: { tensors: readonly string[]; binding: FormatBinding }; result: void };
  /** The fewest bits per weight whose plan is predicted to diverge by at most so much (nats per token), under the constraints of the plan. */
  smallestBudget: { params: { divergence: number }; result: { bitsPerWeight: number } };
  /**
   * Makes the best plan whose model fits into a memory, or into a GPU's and RAM together, when llama.cpp runs it, under the constraints of the plan;
   * a `plan` event follows.
   */
  fitPlan: { params: { request: FitRequest }; result: FittingBits };
  /** Plan files next to the model, and plans that were measured in this window, with what was measured of them. */
  savedPlans: { params: Record<string, never>; result: readonly SavedPlan[] };
  /** Makes one of them the plan; a `plan` event follows. Rejected for a file that is not a plan of the model by now. */
  showPlan: { params: { file: string }; result: void };
  /** A preset, a plan file or the file that the plan is to beat, to be compared with the plan. Rejected for a preset that was not measured, and a plan of another model. */
  otherPlan: { params: { other: OtherChoice }; result: OtherPlan };
  /** Replaces a plan that was edited in its file by the solver's of its size, or takes it up again; the file is unchanged. */
  replaceEditedPlan: { params: { replace: boolean }; result: void };
  /**
   * Measures the plan as a whole over a text that it has not seen, solved for the budget first where one is given and then improved by measured
   * swaps where that is asked for; a `plan` event follows.
   * `isShown`: whether the result is about the plan that is shown by then.
   */
  measurePlan: {
    params: { text: string; windows?: number; improve?: boolean; budget?: Budget };
    result: { isShown: boolean; notKept?: string };
    progress: EngineProgress;
  };
  /** Asks for a GGUF file of the same base and solves for its bytes; a `plan` event follows, and those of a job where something is to be measured. */
  beatFile: { params: Record<string, never>; result: void };
  /** Texts next to the model. */
  textsBeside: { params: Record<string, never>; result: { text?: string; calibrationText?: string } };
  /** Asks for a target and writes the plan, solved for the budget first where one is given. */
  savePlan: { params: { budget?: Budget }; result: { out: string } | undefined };
  /** Asks for a target and writes the plan as settings of another tool; undefined when the user cancelled. */
  saveOverrides: {
    params: { kind: OverrideKind; budget?: Budget };
    result: { notes: readonly string[] } | undefined;
  };
  /** What can be exported, and whether there is a plan to export with. */
  exportChoices: { params: Record<string, never>; result: ExportChoices };
  /** Dry run of the settings; it cancels the previous one. */
  previewExport: { params: { settings: PanelSettings }; result: ExportPreview };
  /** Asks for a target and exports. */
  startExport: { params: { settings: PanelSettings }; result: void };
  /** Asks for a file to read; undefined when the user cancelled. */
  chooseFile: { params: { kind: FileKind }; result: { path: string } | undefined };
  /** Reads rules from a tensor-type file of llama.cpp that the user picks. */
  loadTensorTypes: {
    params: Record<string, never>;
    result: { rules: readonly TensorTypeRule[] } | undefined;
  };
  /** Asks for a target and writes the rules as such a file. */
  saveTensorTypes: { params: { rules: readonly TensorTypeRule[] }; result: void };
  /** Opens the export command, with the current plan when `plan` is set. */
  exportGguf: { params: { plan: boolean; budget?: Budget }; result: void };
  openQuantization: { params: Record<string, never>; result: QuantizationView };
  /** Dry run of the settings; it cancels the previous one. */
  previewQuantization: { params: { settings: QuantizeModelSettings }; result: QuantizePreview };
  /** Asks for the folder of the result, or for its file where it is one; undefined when the user cancelled. */
  chooseOutput: { params: OutputName; result: { path: string } | undefined };
  /** Where a result goes, and whether it can be written there: a name that is free where no path is given. */
  resolveOutput: { params: OutputName & { path?: string }; result: ResolvedOutput };
  /** Starts; `quantization` events report its progress. */
  quantizeModel: { params: QuantizationStart; result: void };
  cancelQuantization: { params: Record<string, never>; result: void };
  /** Repeats the last quantization, in a new process if the old one died. */
  repeatQuantization: { params: Record<string, never>; result: void };
  /** What to do with the result of the last quantization. */
  useQuantized: { params: { what: 'folder' | 'open' | 'compare' | 'evaluate' }; result: void };
  openRefinement: { params: Record<string, never>; result: RefinementView };
  /** What a refinement would take; one step is made for it. The settings are kept for the next editor of this file. */
  estimateRefinement: {
    params: { settings: PanelRefinement };
    result: RefinementEstimate;
    progress: EngineProgress;
  };
  /** Asks for a target and starts, or writes the best state of a run that was stopped; `refinement` events report its progress. */
  refine: { params: { settings: PanelRefinement; finish?: boolean }; result: void };
  /** Stops the refinement, and writes its best state where that is better than the start. */
  stopRefinement: { params: Record<string, never>; result: void };
  /** Continues the last refinement, in a new process if the old one died. */
  continueRefinement: { params: Record<string, never>; result: void };
  /** Writes the best state that the last refinement has reached. */
  finishRefinement: { params: Record<string, never>; result: void };
  /** What to do with the refined file. */
  useRefined: { params: { what: 'open' | 'compare' | 'evaluate' }; result: void };
  /** Opens the page that refines: of this file, or of a GGUF file that is asked for, whose original is this model. */
  refineFile: { params: Record<string, never>; result: void };
  openEvaluation: { params: Record<string, never>; result: EvaluationView };
  /** Keeps the form for the next editor of this model. */
  keepEvaluationForm: { params: { form: unknown }; result: void };
  /** Starts a run; `evaluation` events report its progress. */
  evaluate: { params: { settings: PanelEvaluation }; result: void };
  /** Asks for a target and computes an importance matrix; the same events. */
  calibrate: { params: { settings: CalibrationSettings }; result: void };
  cancelEvaluation: { params: Record<string, never>; result: void };
  /** Repeats the last run, in a new process if the old one died. */
  repeatEvaluation: { params: Record<string, never>; result: void };
  /** Errors of each block and of the output, were the model quantized as a recipe says. */
  previewRecipe: {
    params: { settings: Omit<PreviewSettings, 'device'> };
    result: PreviewResult;
    progress: EngineProgress;
  };
  /** The model and a variant go on with a conversation; the progress has the answers so far. */
  chat: { params: { settings: PanelChat }; result: ChatResult; progress: EngineProgress };
  /** The tensors whose errors moved the distribution of the token after some others. */
  chatCauses: {
    params: { variant: PanelVariant; tokens: readonly number[] };
    result: CausesResult;
    progress: EngineProgress;
  };
  pairResults: { params: { a: string; b: string }; result: PairedComparison };
  /** Asks for confirmation and removes a stored result. */
  removeResult: { params: { id: string }; result: void };
  /** Asks for a target and writes a picture or a table that the page shows; undefined when the user cancelled. */
  saveSeen: { params: SeenFile; result: { out: string } | undefined };
  copyText: { params: { text: string }; result: void };
  /** Starts a scan of all tensors, which continues where an earlier one ended; `scan` and `scanned` events follow. */
  scanModel: { params: ScanSettings; result: void };
  cancelScan: { params: Record<string, never>; result: void };
  /** What was scanned by now, in this window or an earlier one. */
  scanFigures: { params: ScanSettings; result: ScannedFigures };
  /** Runs the commands of these names. */
  exportReport: { params: Record<string, never>; result: void };
  copySummary: { params: Record<string, never>; result: void };
};

/** Host → webview, one-way. */
export type HostEvents = {
  /** The model's files changed: the state that the page continues with, or why there is none. */
  opened: EditorState;
  openFailed: { message: string };
  job: JobState;
  device: DeviceReport;
  /** There are other measurements: cells that a run finished, or its result. */
  sensitivity: TableOutline;
  /** There is another plan; while a slider moves only once it rests. */
  plan: PlanOutline;
  /** Plan files next to the model were written or removed; the revision increases each time. */
  savedPlans: { revision: number };
  comparison: ComparisonState;
  modelComparison: ModelComparisonState;
  verification: VerificationState;
  scan: ScanActivity;
  /** There are further figures of tensors. */
  scanned: { revision: number };
  evaluation: EvaluationActivity;
  evaluationResults: readonly EvaluationResult[];
  quantization: QuantizationStep;
  refinement: RefinementActivity;
  /** Select and scroll to this tensor. */
  reveal: { tensor: string };
  tab: CommandTab;
};

/** Value of `data-vscode-context` on rows of tensors and of groups: what the context menu's commands receive. */
export interface TensorContext {
  /** `name`: a row of a file that is not the model's, which can only be copied. */
  readonly webviewSection: 'tensor' | 'group' | 'name';
  readonly preventDefaultContextMenuItems: true;
  /** Path of the model the row belongs to. */
  readonly quantscopeModel: string;
  /** Tensors of the model: the selected ones, or the one clicked; all of a group, in the order of the list. */
  readonly quantscopeTensors: readonly string[];
  /** What is copied, where rows have other names: those of an exported file. */
  readonly quantscopeNames?: readonly string[];
  /** Whether the row is one of the plan: its formats can be pinned. */
  readonly quantscopePlanned?: true;
}
