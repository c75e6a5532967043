import type { DeviceReport } from './device';
import type {
  CommandTab,
  ComparisonState,
  EditorState,
  JobState,
  ModelComparisonState,
  TableOutline,
  VerificationState,
} from './editorState';
import type { EngineProgress } from './engine';
import type { EvaluationResult } from './evaluation';
import type { EvaluationActivity } from './evaluationView';
import type { ScanActivity } from './modelScanView';
import type { PlanOutline } from './planOutline';
import type { QuantizationStep } from './quantizationView';
import type { RefinementActivity } from './refinementView';
import type { TensorPageRequests } from './pageRequests/tensors';
import type { ModelPageRequests } from './pageRequests/model';
import type { PlanPageRequests } from './pageRequests/plans';
import type { OutputPageRequests } from './pageRequests/outputs';
import type { RunPageRequests } from './pageRequests/runs';

/** Webview → host, answered. A caller can cancel each of them (rpc.ts). */
export type WebviewRequests = TensorPageRequests &
  ModelPageRequests &
  PlanPageRequests &
  OutputPageRequests &
  RunPageRequests;

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
  /** How far the last of these is. */
  modelProgress: EngineProgress;
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
