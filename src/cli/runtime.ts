import { loadsFormat, runtimeFormats, runtimeRules } from '../ampq/runtimes';
import type { SensitivityParams } from '../protocol/sensitivityRun';
import { overrideFiles } from '../protocol/overrides';
import { runtimes, type Runtime } from '../protocol/runtimes';
import {
  choiceOption,
  textOption,
  UsageError,
  valueOption,
  type CommandContext,
  type OptionSpec,
} from './command';

export const runtimeOptions: Readonly<Record<string, OptionSpec>> = {
  runtime: valueOption(
    'R',
    `formats and groups that a runtime loads: ${runtimes.join(', ')} (default: the types of GGUF, or any formats that --formats names)`,
  ),
};

/** Undefined where none is asked for. @throws UsageError for a runtime that there is none of, and for options that only llama.cpp has. */
export function runtimeOption(context: CommandContext): Runtime | undefined {
  const runtime = choiceOption(context, 'runtime', runtimes);
  if (runtime === undefined || runtime === 'llama.cpp') return runtime;
  const other = ['fit', 'beat', 'imatrix', 'backend'].find((name) => textOption(context, name) !== undefined);
  if (other !== undefined)
    throw new UsageError(`--${other} is for llama.cpp: ${runtime} does not load types of GGUF.`);
  return runtime;
}

/**
 * What is measured for a runtime: the formats that it loads, with the codes that their export writes.
 * @throws UsageError for formats that the runtime does not load, and for optimised codes, which only types of ggml have.
 */
export function paramsFor(runtime: Runtime | undefined, params: SensitivityParams): SensitivityParams {
  if (runtime === undefined) return params;
  const refused = params.formats?.find((format) => !loadsFormat(runtime, format));
  const formats = runtimeFormats(runtime);
  if (refused !== undefined)
    throw new UsageError(
      `${runtime} does not load ${refused}. It loads ${formats?.join(', ') ?? 'the types of GGUF'}.`,
    );
  if (!formats) return params;
  const { optimised, ...others } = params;
  if (optimised?.isRequired)
    throw new UsageError(`Codes are optimised for types of GGUF, which ${runtime} does not load.`);
  return { formats, ...others };
}

/** How a plan for a runtime is exported, as lines. */
export function exportLines(runtime: Runtime | undefined, out: string): string[] {
  const exportAs = runtime && runtimeRules[runtime].exportAs;
  if (exportAs === undefined || exportAs === 'gguf') return [];
  const file = `plan.${overrideFiles[exportAs].ending}`;
  const settings = `quantscope export-overrides MODEL --plan ${out} --as ${exportAs} --out ${file}`;
  const isRecipe = exportAs === 'recipe' || exportAs === 'onnx-recipe';
  const next = isRecipe ? `quantscope quantize-model MODEL --recipe ${file} --out DIR` : undefined;
  return [`For ${runtime}: ${settings}`, ...(next === undefined ? [] : [`then: ${next}`])];
}
