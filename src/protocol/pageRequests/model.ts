import type { EditorState } from '../editorState';
import type { MetadataSlice, MetadataSliceParams, ModelLimits } from '../model';
import type { ScanSettings } from '../modelScan';
import type { ScannedFigures } from '../modelScanView';
import type { ModelIdentity } from '../overview';
import type { RunEstimate, RunEstimateParams, RunTarget } from '../runEstimate';
import type { SeenFile } from '../seen';

/** Files that the panels ask for. */
export type FileKind =
  'imatrix' | 'plan' | 'text' | 'tasks' | 'pairs' | 'model' | 'original' | 'gguf' | 'recipe';

/** The model as a whole, and files around it. */
export type ModelPageRequests = {
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
  /** Part of a metadata value that the description shows cut. */
  metadata: { params: MetadataSliceParams; result: MetadataSlice };
  /** Asks for a file to read; undefined when the user cancelled. */
  chooseFile: { params: { kind: FileKind }; result: { path: string } | undefined };
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
