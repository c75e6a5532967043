import type { ExportPreview, TensorTypeRule } from '../export';
import type { PanelSettings, ExportChoices } from '../exportChoices';
import type { Budget } from '../plan';
import type { OutputName, QuantizationStart, QuantizationView, ResolvedOutput } from '../quantizationView';
import type { QuantizeModelSettings, QuantizePreview } from '../quantizeModel';

/** Files that are made of the model. */
export type OutputPageRequests = {
  /** What can be exported, and whether there is a plan to export with. */
  exportChoices: { params: Record<string, never>; result: ExportChoices };
  /** Dry run of the settings; it cancels the previous one. */
  previewExport: { params: { settings: PanelSettings }; result: ExportPreview };
  /** Asks for a target and exports. */
  startExport: { params: { settings: PanelSettings }; result: void };
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
};
