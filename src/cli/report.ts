import { resolve } from 'node:path';
import packageJson from '../../package.json';
import { reportForm } from '../engine/report/form';
import { madeBy } from '../protocol/report';
import { size } from '../protocol/words';
import { loraOption } from './adapters';
import { flagOption, requiredOption, textOption, valueOption, type Command } from './command';
import { checkOutputs } from './outputs';
import { sayDownload } from './sayDownload';

export const reportCommand: Command = {
  name: 'report',
  operand: 'MODEL',
  summary: 'Write what is known of a model as one page (.html) or a summary (.md)',
  options: {
    out: { ...valueOption('FILE', 'the .html or .md file to write'), required: true },
    scan: flagOption('scan all tensors first; a scan that was made before is reported without it'),
    format: valueOption('F', 'with the relative error of each tensor in this format, as scanned'),
    lora: loraOption,
  },
  keepsResults: true,
  async run(context) {
    const { model, jobs, signal, progress, cacheDir, evaluationDir } = context;
    const out = resolve(requiredOption(context, 'out'));
    reportForm(out); // before a scan that may take long
    await checkOutputs(context, [out]);
    const format = textOption(context, 'format');
    const shown = { ...model, cacheDir, ...(format === undefined ? {} : { format }) };
    if (context.options['scan'] === true) {
      await sayDownload(context);
      await jobs['model/scan'](shown, { signal, progress });
    }
    const made = madeBy(packageJson.version, new Date());
    const report = await jobs['model/report']({ ...shown, evaluationDir, out, made }, { signal, progress });
    return {
      json: report,
      lines: [`Written: ${report.out} (${size(report.bytes)})`, `It has: ${report.sections.join(', ')}.`],
    };
  },
};
