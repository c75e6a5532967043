import { cpSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { usage } from '../../src/cli/usage';
import { planCheckpoint } from '../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../src/exporter/checkpoint/writeCheckpoint';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { presetById } from '../../src/recipes/resolveRecipe';
import { writeAdapter } from './adapters';
import { projectRoot, sampleFolder } from './files';
import { tensor, torchZip } from './torchFiles';
import { visionCheckpoints } from './visionCheckpoints';
import { writeVisionCheckpoint } from './writeVisionCheckpoint';

/** A text with commands for users: a page of the documentation, or the help of the program. */
export interface Page {
  readonly name: string;
  readonly text: string;
  /** Commands in the order in which they are printed. */
  readonly commands: readonly string[];
}

const fence = /^```sh\n([^]*?)^```$/gm;

/** Lines that call the program, without comments. */
const commandsIn = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^quantscope [a-z]/.test(line))
    .map((line) => line.replace(/\s+#.*$/, ''));

function pageOf(name: string): Page {
  const text = readFileSync(join(projectRoot, name), 'utf8');
  return { name, text, commands: [...text.matchAll(fence)].flatMap(([, shell]) => commandsIn(shell!)) };
}

/** README, every page of docs/, and the help of the program. */
export function documentation(): Page[] {
  const docs = readdirSync(join(projectRoot, 'docs')).filter((name) => name.endsWith('.md'));
  const help = usage(80).join('\n');
  return [
    ...['README.md', ...docs.map((name) => `docs/${name}`)].map(pageOf),
    { name: 'the help', text: help, commands: commandsIn(help) },
  ];
}

/** Arguments of a command for a shell with no quotes but simple ones. */
export const argumentsOf = (command: string): string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!).slice(1);

/** Options with which a command takes seconds where it takes minutes as it is printed. */
const shorter: Readonly<Record<string, readonly string[]>> = { refine: ['--steps', '2'] };

/** Arguments with which a test runs a command. */
export function runnableArguments(command: string): string[] {
  const args = argumentsOf(command);
  return [...args, ...(shorter[args[0]!] ?? [])];
}

/** Code inside of a sentence or a table. */
export const inlineCode = (text: string): string[] =>
  [...text.replace(/^```[^]*?^```$/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** Models, files made from them and texts of the reader, for which the sample, its Q4_K_M and its texts stand here. */
const models = ['MODEL', 'BASE', 'TUNED', 'Llama-3.1-8B', 'Llama-3.2-1B', 'Mixtral-8x7B'];
const quantized = ['plan.gguf', 'theirs.gguf'];
/** Adapters of the sample; a weight may follow their names. */
const adapters = ['ADAPTER', 'OTHER-ADAPTER'];
const seen = ['calibration.txt', 'text.txt', 'my-text.txt'];
const unseen = ['other.txt', 'unseen.txt'];

/** Bytes of a text that are enough for the eight windows that an interval needs. */
const textBytes = 6144;

/** A folder in which the commands of a page can be run as they are printed: the sample, and what readers have of their own. */
export async function prepareFolder(folder: string, page: Page): Promise<void> {
  const has = (name: string): boolean => page.commands.some((command) => argumentsOf(command).includes(name));
  // Copies of the same age share what was measured of them.
  const whole = { recursive: true, preserveTimestamps: true };
  cpSync(sampleFolder, join(folder, 'samples', basename(sampleFolder)), whole);
  for (const name of models.filter(has)) cpSync(sampleFolder, join(folder, name), whole);
  for (const name of quantized.filter(has)) await writeQuantized(join(folder, name));
  const recipe = /^```json\n([^]*?)^```$/m.exec(page.text)?.[1];
  if (has('mine.recipe.json')) writeFileSync(join(folder, 'mine.recipe.json'), recipe!);
  // The recipe that is printed names a text as well.
  for (const name of seen.filter((name) => has(name) || recipe?.includes(name)))
    copyText('generated-calibration.txt', join(folder, name));
  for (const name of unseen.filter(has)) copyText('generated-eval.txt', join(folder, name));
  for (const name of adapters.filter((name) => page.commands.some((command) => command.includes(name))))
    await writeAdapter(join(folder, name), { modules: { 'model.layers.0.self_attn.q_proj': [256, 256] } });
  if (has('Qwen2.5-VL-7B'))
    await writeVisionCheckpoint(join(folder, 'Qwen2.5-VL-7B'), visionCheckpoints['qwen25vl']!);
  if (has('GPTQ-MODEL')) await writeGptqModel(join(folder, 'GPTQ-MODEL'));
  if (has('pytorch_model.bin'))
    writeFileSync(
      join(folder, 'pytorch_model.bin'),
      torchZip({ 'proj.weight': tensor('F32', [2, 2], Float32Array.of(1, 2, 3, 4)) }),
    );
}

function copyText(name: string, path: string): void {
  cpSync(join(sampleFolder, name), path);
  truncateSync(path, textBytes);
}

async function writeQuantized(file: string): Promise<void> {
  const model = await openModel(sampleFolder);
  await exportGguf(model, { type: 'Q4_K_M' }, file).finally(() => model.close());
}

/** The sample in the layout of GPTQ, its codes rounded. */
async function writeGptqModel(folder: string): Promise<void> {
  const recipe = presetById('gptq-int4-g128');
  const rules = recipe.rules.map(({ grid }) => ({ grid }));
  const model = await openModel(sampleFolder);
  await writeCheckpoint(model, planCheckpoint(model, { ...recipe, rules }), folder);
  await model.close();
}
