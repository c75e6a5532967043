import { isRecord } from '../../model/json';
import { joinPlace } from '../../model/place';
import { quantizationOf } from '../../layouts/layout';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { Check, CheckContext, Fix } from '../check';
import { withJsonValue } from '../fixes/jsonEdit';

/** Parts of layouts of libraries: zero points, groups, and parts that are missing. */
export const quantizedCheck: Check = {
  codes: ['quantized/zero-convention', 'quantized/group-size', 'quantized/incomplete'],
  run({ model }, context) {
    if (!model || model.gguf) return;
    const { description, folder, config } = model;
    const file = joinPlace(folder, 'config.json');
    for (const message of description.warnings) {
      if (!/^(The zero points|Zero points) of the GPTQ weights/.test(message)) continue;
      const key = ['quantization_config', 'checkpoint_format'];
      const stored = /those of checkpoint_format "(gptq(?:_v2)?)"/.exec(message)?.[1];
      const isStated =
        isRecord(config?.['quantization_config']) && 'checkpoint_format' in config['quantization_config'];
      const change = stored !== undefined && isStated ? setFormat(file, key, stored) : undefined;
      context.report({ code: 'quantized/zero-convention', file, key, message, change });
    }
    if (description.missingFiles.length > 0) return;
    groupSizes(description.tensors, config, file, context);
    incomplete(description.tensors, context);
  },
};

const setFormat = (file: string, key: readonly string[], format: string): Fix => ({
  file,
  description: said`"checkpoint_format" becomes "${format}", as the zero points are stored.`,
  apply: (text) => withJsonValue(text, key, format),
});

/** Groups of GPTQ and AWQ as config.json states them; settings of single modules are not compared. */
function groupSizes(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>> | undefined,
  file: string,
  { report }: CheckContext,
): void {
  const { group_size: group, dynamic } = quantizationOf(config);
  if (!Number.isSafeInteger(group) || (isRecord(dynamic) && Object.keys(dynamic).length > 0)) return;
  const size = group as number;
  for (const { name, shape, stored, offset } of tensors) {
    const scales = stored?.parts.find(({ role }) => role === 'scales');
    if (!stored || !scales || !['gptq', 'awq'].includes(stored.layout)) continue;
    const [, columns = 0] = shape;
    const expected = size <= 0 ? 1 : Math.ceil(columns / size);
    const [groups = 0] = scales.shape;
    if (groups === expected && (size <= 0 || columns % Math.min(size, columns) === 0)) continue;
    report({
      ...{ code: 'quantized/group-size', file: scales.file, tensor: name, offset },
      message:
        groups === expected
          ? said`Groups of ${size} do not divide the ${columns} columns: most runtimes refuse the last one.`
          : said`There are scales of ${groups} groups for ${columns} columns, but ${file} states "group_size" ${size}, which makes ${expected}.`,
    });
  }
}

/** Codes of GPTQ and AWQ without their scales. */
function incomplete(tensors: readonly TensorDescriptor[], { report }: CheckContext): void {
  const names = new Set(tensors.map(({ name }) => name));
  for (const { name, file, offset } of tensors) {
    const module = /^(.+)\.qweight$/.exec(name)?.[1];
    if (module === undefined) continue;
    const lacking = ['scales', 'qzeros'].filter((part) => !names.has(`${module}.${part}`));
    if (lacking.includes('scales'))
      report({
        ...{ code: 'quantized/incomplete', file, tensor: name, offset },
        message: said`The codes are there, but not ${lacking.map((part) => `${module}.${part}`).join(', ')}.`,
      });
  }
}
