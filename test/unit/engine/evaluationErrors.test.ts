import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeImatrix } from '../../../src/exporter/writeImatrix';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import type { ErrorPlace } from '../../../src/model/errors';
import { modelHash } from '../../../src/model/identity';
import { openModel } from '../../../src/layouts/openModel';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { EvaluationParams } from '../../../src/protocol/evaluation';
import { llamaConfig, llamaShapes } from '../../support/checkpointParts';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { evaluate, calibrate } = engineJobs(cacheDir);
const text = join(sampleFolder, 'generated-eval.txt');
const path = (name: string): string => join(folder, name);

const run = (params: Partial<EvaluationParams>) =>
  evaluate({ text, context: 32, windows: 1, memory: 'streamed', ...params });

/** What the user sees: a code, a sentence, and what it is about. */
async function expectError(
  running: Promise<unknown>,
  code: string,
  message: string | RegExp,
  place: ErrorPlace = {},
): Promise<void> {
  const error: unknown = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code, place });
  expect((error as Error).message).toMatch(message);
}

describe('an evaluation is rejected', () => {
  it('of a text that is too short, with the number of its tokens and of those that are needed', async () => {
    const short = writeFile(folder, 'short.txt', 'To be, or not to be');
    const message = /^The text has \d+ tokens; one window of 32 needs 32\. /;
    await expectError(run({ text: short }), 'REQUEST', message, { file: short });
    await expectError(run({ text: short, convention: 'sliding' }), 'REQUEST', /needs 33\. /, { file: short });
    const empty = writeFile(folder, 'empty.txt', '');
    await expectError(run({ text: empty }), 'REQUEST', /^The text has 0 tokens/, { file: empty });
  });

  it('with windows that do not fit the model', async () => {
    const message = 'The context is 512 tokens; the model takes at most 256.';
    await expectError(run({ context: 512 }), 'REQUEST', message, { file: text });
    await expectError(run({ context: 2 }), 'REQUEST', 'it must be 3 or more', { file: text });
    const sliding = { convention: 'sliding', stride: 33 } as const;
    await expectError(run(sliding), 'REQUEST', 'must be from 1 to the context, 32', { file: text });
    await expectError(run({ stride: 16 }), 'REQUEST', 'do not overlap', { file: text });
  });

  it('of a file that is not UTF-8 text, or does not exist', async () => {
    const latin = writeFile(folder, 'latin.txt', Buffer.from([0x67, 0xfc, 0x6e, 0x73, 0x74, 0x69, 0x67]));
    await expectError(run({ text: latin }), 'REQUEST', 'The file is not UTF-8 text.', { file: latin });
    const absent = path('absent.txt');
    await expectError(run({ text: absent }), 'IO', /ENOENT|does not exist|no such file/i, { file: absent });
    await expectError(run({ tasks: absent }), 'IO', 'absent.txt', { file: absent });
  });

  it('without anything to evaluate with', async () => {
    await expectError(
      evaluate({}),
      'REQUEST',
      'Name a text or a file of questions to evaluate with, or of pairs',
    );
  });

  it('with parameters of other types, by name', async () => {
    await expectError(run({ windows: 0 }), 'REQUEST', '"windows" is 0');
    await expectError(run({ text: 'relative.txt' }), 'REQUEST', '"text" is "relative.txt"');
    await expectError(run({ convention: 'mine' as 'sliding' }), 'REQUEST', '"convention" is "mine"');
  });

  it('with a base of another vocabulary', async () => {
    const other = path('other');
    mkdirSync(other);
    writeFile(other, 'config.json', JSON.stringify(llamaConfig({ vocab_size: 96 })));
    const shapes = Object.entries(llamaShapes()).map(([name, shape]) => ({
      name,
      shape: shape.map((size) => (size === 1024 ? 96 : size)),
    }));
    const parts = shapes.map(({ name, shape }) => {
      const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 4));
      return { name, dtype: 'F32', shape, data: () => [bytes] };
    });
    await writeSafetensors(join(other, 'model.safetensors'), parts, {});
    const message = 'The base model has 96 tokens, the model 1024; they must have the same vocabulary.';
    await expectError(run({ against: other }), 'REQUEST', message, { file: other });
  });

  it('with a base of as many tokens that differ', async () => {
    const other = path('swapped');
    cpSync(sampleFolder, other, { recursive: true });
    const json = readFileSync(join(other, 'tokenizer.json'), 'utf8');
    const names: Record<string, string> = { '"Ġthe":': '"Ġand":', '"Ġand":': '"Ġthe":' };
    writeFile(
      other,
      'tokenizer.json',
      json.replace(/"Ġ(the|and)":/g, (name) => names[name]!),
    );
    const message =
      'The same token ids decode to a different text with the base model; both must have the same vocabulary.';
    await expectError(run({ against: other }), 'REQUEST', message, { file: other });
  });
});

describe('a variant is rejected', () => {
  it('when there are two', async () => {
    const message = 'Name a plan, a file type, a format or a recipe, not several of them.';
    await expectError(run({ type: 'Q4_0', format: 'nf4' }), 'REQUEST', message);
    await expectError(run({ type: 'Q4_0', planFile: path('any.ampq.json') }), 'REQUEST', message);
  });

  it('of an unknown format or file type, listing the known ones', async () => {
    await expectError(
      run({ format: 'int9' }),
      'REQUEST',
      /There is no format "int9"\. The formats are: .*Q4_K.*nf4/,
    );
    await expectError(run({ type: 'Q9_K' }), 'REQUEST', /Q9_K.*Q4_K_M/s);
  });

  describe('by a plan', () => {
    const planOf = (name: string, assignments: readonly object[], hash = sampleHash): string =>
      writeFile(
        folder,
        name,
        JSON.stringify({
          version: 2,
          model: { name: 'any', hash, parameters: 1 },
          budget: { kind: 'bytes', value: 1 },
          total: { bytes: 1, bitsPerWeight: 1, error: 0 },
          assignments,
        }),
      );
    const given = (tensor: string, format: string) => ({
      ...{ tensor, sources: [], format, bitsPerWeight: 1, bytes: 1 },
    });

    let sampleHash = '';
    beforeAll(async () => {
      const model = await openModel(sampleFolder);
      sampleHash = modelHash(model.description);
      await model.close();
    });

    it('of another model', async () => {
      const planFile = planOf('strange.ampq.json', [given('output.weight', 'Q8_0')], 'f00d');
      const message = 'The plan was made for another model: "any" with the hash f00d…';
      await expectError(run({ planFile }), 'REQUEST', message, { file: sampleFolder });
    });

    it.each([
      ['transformer.h.0.attn.weight', 'does not have, or that is kept in full precision'],
      ['output_norm.weight', 'does not have, or that is kept in full precision'],
      ['lm_head.weight', 'a tensor of the checkpoint; in the exported file it is "output.weight"'],
    ])('that names %s', async (tensor, message) => {
      const planFile = planOf('strange.ampq.json', [given(tensor, 'Q8_0')]);
      await expectError(run({ planFile }), 'REQUEST', message, { file: sampleFolder, tensor });
    });

    it('with a format that does not fit its tensor, or does not exist', async () => {
      const tensor = 'output.weight';
      const planFile = planOf('unfit.ampq.json', [given(tensor, 'IQ2_XXS')]);
      await expectError(run({ planFile }), 'REQUEST', 'an importance matrix (imatrix)', { tensor });
      const unknown = planOf('unknown.ampq.json', [given(tensor, 'Q9_K')]);
      await expectError(run({ planFile: unknown }), 'REQUEST', 'format "Q9_K" does not exist. Did you mean');
    });

    it('that is not a plan, or does not exist', async () => {
      const planFile = writeFile(folder, 'no.ampq.json', '{"version": 7}');
      await expectError(run({ planFile }), 'MODEL_FILE', '$.version is 7', { file: planFile });
      const absent = path('absent.ampq.json');
      await expectError(run({ planFile: absent }), 'IO', 'The file does not exist.', { file: absent });
    });
  });
});

describe('an importance matrix is rejected', () => {
  const other = path('other.imatrix.gguf');
  beforeAll(async () => {
    const entry = { sums: new Float64Array(64).fill(9), counts: Float64Array.of(9) };
    const entries = new Map([['blk.0.attn_q.weight', entry]]);
    await writeImatrix(other, { entries, dataset: 'any', chunks: 1, chunkSize: 9 });
  });

  it.each([{ type: 'Q4_K_M' }, { format: 'Q4_K' }])('that belongs to another model: %j', async (variant) => {
    const message =
      'The importance matrix has 64 values, but the tensor needs 256: was it made for this model?';
    const place = { file: other, tensor: 'blk.0.attn_q.weight' };
    await expectError(run({ ...variant, imatrix: other }), 'REQUEST', message, place);
  });

  it('that is not an importance matrix', async () => {
    await expectError(
      run({ type: 'Q4_0', imatrix: text }),
      'MODEL_FILE',
      'this is not an importance matrix',
      {
        file: text,
      },
    );
  });

  it('that a file type needs and nobody named', async () => {
    await expectError(run({ type: 'IQ2_XXS' }), 'REQUEST', /importance matrix|imatrix/);
  });
});

describe('a calibration is rejected', () => {
  it('to another kind of file, before the model runs', async () => {
    const out = path('imatrix.txt');
    const message = 'An importance matrix must be written to a .gguf or .dat file.';
    const steps: string[] = [];
    const progress = ({ message: step }: EngineProgress): void => void steps.push(step);
    const running = calibrate({ text, out, context: 32, windows: 1 }, { progress });
    await expectError(running, 'REQUEST', message, { file: out });
    expect(steps).toEqual([]);
  });

  it('of a text that is too short', async () => {
    const short = writeFile(folder, 'few.txt', 'To be');
    const out = path('short.gguf');
    await expectError(calibrate({ text: short, out }), 'REQUEST', 'one window of 256', { file: short });
  });
});

describe('what was rejected', () => {
  it('left no file in the folder of results', async () => {
    writeFileSync(path('last.txt'), 'To be');
    await expectError(run({ text: path('last.txt'), type: 'Q4_0' }), 'REQUEST', 'The text has');
    expect(readdirSync(cacheDir, { recursive: true })).toEqual([]);
  });
});
