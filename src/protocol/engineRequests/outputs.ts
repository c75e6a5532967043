import type { ExportAdapterParams, ExportedAdapter } from '../adapters';
import type { ConvertParams, ConvertPreview, ConvertResult } from '../convert';
import type {
  ExportPreview,
  ExportSettings,
  FileTypeDescription,
  ExportParams,
  ExportResult,
} from '../export';
import type { OnnxForm, OnnxParams, OnnxPreview, OnnxResult, OnnxSettings } from '../exportOnnx';
import type { ExportedMmproj, MmprojPreview, MmprojSettings } from '../mmproj';
import type { ModelRef } from '../model';
import type {
  OutputCheck,
  QuantizeModelParams,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
  RecipeChoices,
} from '../quantizeModel';
import type { Recipe } from '../recipe';
import type { ReportParams, SavedReport } from '../report';
import type { RepairParams, RepairResult } from '../verify';

/** Files that are made of a model. */
export interface OutputRequests {
  /** The same as a file: a page that needs nothing else, or Markdown, by its ending. `made`: what it says of its making. */
  'model/report': { params: ReportParams & { out: string; made: string }; result: SavedReport };
  /** Writes damaged files again, their damaged tensors made of the model that the files were made of. */
  'model/repair': { params: RepairParams; result: RepairResult };
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
}
