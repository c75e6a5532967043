import { join } from 'node:path';
import { statIfPresent } from '../../files/target';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { readJsonFile } from '../../model/jsonFiles';
import type { FloatDtype } from './floats';
import type { OnnxFile } from './onnxFile';
import { said } from '../../protocol/said';

/**
 * The dtypes that transformers.js can be asked for, and the suffix of the file that it then loads.
 * @see https://huggingface.co/docs/transformers.js/guides/dtypes
 */
const suffixes = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  q2: '_q2',
  q2f16: '_q2f16',
  bnb4: '_bnb4',
} as const;

export type TransformersJsDtype = keyof typeof suffixes;

/** Where the graph of a dtype lies below the folder of config.json: "onnx/model_q4.onnx". */
export const transformersJsPath = (dtype: TransformersJsDtype): string => `onnx/model${suffixes[dtype]}.onnx`;

/**
 * The dtype of a form of weights, as the settings change it.
 * @throws QuantscopeError REQUEST where there is none.
 */
export function transformersJsDtype(
  form: { readonly id: string; readonly transformersJs?: TransformersJsDtype; readonly codes?: unknown },
  {
    floats,
    asymmetric,
  }: { readonly floats?: FloatDtype | undefined; readonly asymmetric?: boolean | undefined },
): TransformersJsDtype {
  if (!form.codes && floats !== 'BF16') return floats === 'F16' ? 'fp16' : 'fp32';
  const { transformersJs: dtype } = form;
  if (dtype === 'int8' && asymmetric) return 'uint8';
  if ((dtype === 'q4' || dtype === 'q2') && floats === 'F16') return `${dtype}f16`;
  if (dtype) return dtype;
  const message = said`transformers.js has no dtype for ${form.codes ? form.id : String(floats)}; it has ${Object.keys(suffixes).join(', ')}.`;
  throw new QuantscopeError('REQUEST', message);
}

/**
 * `transformers.js_config` of config.json: the dtype that is loaded where none is asked for, and which graphs have weights beside them.
 * What the output folder says of other graphs is kept.
 * @throws QuantscopeError MODEL_FILE when the folder has a config.json that is not JSON.
 */
export async function transformersJsConfig(
  dtype: TransformersJsDtype,
  { data }: Pick<OnnxFile, 'data'>,
  out: string | undefined,
): Promise<Record<string, unknown>> {
  const earlier = out === undefined ? {} : await earlierConfig(join(out, 'config.json'));
  const beside = earlier['use_external_data_format'];
  const name = `model${suffixes[dtype]}.onnx`;
  return {
    ...earlier,
    dtype,
    use_external_data_format: { ...(isRecord(beside) ? beside : {}), [name]: data !== undefined },
  };
}

async function earlierConfig(file: string): Promise<Record<string, unknown>> {
  if (!(await statIfPresent(file))) return {};
  const { value } = await readJsonFile(file);
  const found = isRecord(value) ? value['transformers.js_config'] : undefined;
  return isRecord(found) ? found : {};
}
