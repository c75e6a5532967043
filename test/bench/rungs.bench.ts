import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureModel } from './rungs/measureModel';
import { codesTable, rungsTable } from './rungs/rungsReport';
import { printSection, writeSection } from './document';
import { machine } from './machine';

/**
 * npm run bench -- rungs [--model FOLDER]... [--windows N] [--write]: plans of the sizes of presets by each rung of evidence, and the codes of
 * llama.cpp against optimised ones, type by type. A folder holds a model, calibration.txt, and eval.txt, which the model has not learned from; the sample where
 * none is named.
 */
const { values: options } = parseArgs({
  options: {
    model: { type: 'string', multiple: true },
    windows: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const sample = join(process.cwd(), '..', 'shared', 'models', 'tiny-shakespeare-llama');
const windows = options.windows === undefined ? undefined : Number(options.windows);

const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
const parts: string[] = [
  `${machine()}. Gains, inputs and importance from \`calibration.txt\`, swaps judged on the first half of \`eval.txt\`, mean KL divergence (nats per token) and its standard error on the second half.`,
];
try {
  for (const model of options.model ?? [sample]) {
    const measured = await measureModel(model, mkdtempSync(join(folder, 'model-')), windows);
    const { tokens, context } = measured.text;
    const over = `${tokens.toLocaleString('en-US')} tokens are scored in windows of ${context}.`;
    parts.push(`**${basename(model)}**: ${over}`, rungsTable(measured), codesTable(measured));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const section = parts.join('\n\n');
printSection(section);
if (options.write) writeSection('docs/BENCHMARKS.md', 'rungs', section);
