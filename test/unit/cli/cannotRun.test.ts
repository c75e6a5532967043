import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { cannotRunNote } from '../../../src/protocol/limitNote';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { hasSharedData, sampleFolder, sharedData, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const text = join(sampleFolder, 'generated-calibration.txt');
const plan = at('own.ampq.json');
const silero = join(sharedData, 'silero-vad', 'silero_vad_16k.safetensors');
let cli: string;

const quantscope = (...args: string[]): Promise<Ended> =>
  runProgram(cli, args, { cache: join(folder, 'cache') });

/** Weights of a network that is not a language model. */
async function writeWeights(file: string): Promise<void> {
  const data = new Uint8Array(Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)).buffer);
  const part = { name: 'conv1.weight', dtype: 'F32', shape: [4, 256], data: () => [data] };
  await writeSafetensors(file, [part], {});
}

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  await writeWeights(at('network.safetensors'));
  await writeCheckpoint(at('falcon'), 'falcon 7B');
  await writeCheckpoint(at('wordless'), 'llama');
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) rmSync(join(at('wordless'), name));
  await writeSyntheticGguf(at('strange.gguf'), { architecture: 'rwkv7', blocks: 1, heads: 4, kvHeads: 4 });
  const sample = await openModel(sampleFolder);
  await exportGguf(sample, { type: 'Q8_0' }, at('llama.gguf'));
  await sample.close();
  const made = [
    'recommend',
    at('network.safetensors'),
    '--budget',
    '16bpw',
    '--device',
    'cpu',
    '--out',
    plan,
  ];
  expect((await quantscope(...made)).code).toBe(0);
});

const noConfig = 'Names and shapes of a checkpoint follow from its config.json, which is missing';
/** Real weights of a network that detects speech, where they are there. */
const network = hasSharedData ? silero : at('network.safetensors');

it.each([
  ['sensitivity', '--text', text],
  ['recommend', '--text', text, '--budget', '8bpw', '--out', at('no.ampq.json')],
  ['gains export', '--text', text, '--out', at('no.gains.json')],
  ['gains export', '--out', at('no.gains.json')],
  ['eval', '--text', text],
  ['imatrix', '--text', text, '--out', at('no.gguf')],
  ['certify', '--plan', plan, '--text', text],
])('a network without texts is rejected with what is possible by %s %s', async (command, ...options) => {
  const { code, stderr } = await quantscope(...command.split(' '), network, ...options, '--device', 'cpu');
  expect(code).toBe(1);
  expect(stderr).toContain(cannotRunNote(noConfig));
});

it.each([
  [network, noConfig],
  [at('falcon'), 'Models of the architecture "falcon" cannot be run.'],
  [at('strange.gguf'), 'Models of the architecture "rwkv7" cannot be run.'],
  [at('wordless'), 'Exports and runs over a text need the tokenizer'],
])('%s is measured by its weights alone, with the reason that an evaluation gives', async (model, reason) => {
  const said = cannotRunNote(reason);
  const { code, stdout, stderr } = await quantscope('sensitivity', model, '--device', 'cpu');
  expect(code, stderr).toBe(0);
  expect(stderr).toContain(`errors of the weights alone: ${said}`);
  expect(stdout).toContain(`of the weights alone: ${said}`);
  expect((await quantscope('eval', model, '--text', text, '--device', 'cpu')).stderr).toContain(said);
});

it('inspect says what cannot be done with a model, and its JSON has the reasons', async () => {
  const noted = await quantscope('inspect', at('falcon'));
  expect(noted.stdout).toContain(
    `Note: ${cannotRunNote('Models of the architecture "falcon" cannot be run.')}`,
  );
  const limitsOf = async (model: string): Promise<unknown> => {
    const { stdout } = await quantscope('inspect', model, '--json');
    return (JSON.parse(stdout) as { limits?: unknown }).limits;
  };
  expect(await limitsOf(at('falcon'))).toEqual({ run: expect.stringContaining('"falcon"') as string });
  expect(await limitsOf(sampleFolder)).toBeUndefined();
});

it.each([
  ['the file', 'strange.gguf', sampleFolder, 'rwkv7'],
  ['its original', 'llama.gguf', at('falcon'), 'falcon'],
])('a refinement is rejected in the same words where %s cannot be run', async (_, file, original, name) => {
  const run = ['refine', at(file), '--original', original, '--text', text, '--out', at('no.gguf')];
  const { code, stderr } = await quantscope(...run);
  expect(code).toBe(1);
  expect(stderr).toContain(cannotRunNote(`Models of the architecture "${name}" cannot be run.`));
});
