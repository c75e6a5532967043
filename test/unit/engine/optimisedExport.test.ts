import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { requestThreads } from '../../../src/graph/threads';
import type { EngineProgress } from '../../../src/protocol/engine';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request, evaluate } = engineJobs(cacheDir);
const sampleText = (name: string): string => join(sampleFolder, `generated-${name}.txt`);
const calibration = { text: sampleText('calibration'), context: 256, tokens: 4096 };
const optimised = {
  ...({ type: 'Q4_K_M', codes: 'optimised', objective: 'one-sided', cacheDir, device: 'cpu' } as const),
};

const exported = (name: string, settings: object): Promise<{ out: string }> =>
  request('export/gguf', { path: sampleFolder, out: join(folder, name), type: 'Q4_K_M', ...settings });

async function divergenceOf(path: string): Promise<number> {
  const text = { text: sampleText('eval'), context: 256, windows: 6 };
  const result = await evaluate({ path, against: sampleFolder, ...text });
  return result.text!.divergence!.mean.value;
}

it('an export with optimised codes runs the model over the text, and diverges less from it than with reference codes', async () => {
  const never = exported('never.gguf', optimised);
  await expect(never).rejects.toMatchObject({ code: 'REQUEST' }); // no pass has been made yet
  expect(existsSync(join(folder, 'never.gguf'))).toBe(false);

  const { out } = await exported('optimised.gguf', { ...optimised, calibration });
  const reference = await exported('reference.gguf', {});
  const [ours, theirs] = [await divergenceOf(out), await divergenceOf(reference.out)];
  expect(ours).toBeGreaterThan(0);
  expect(ours / theirs).toBeLessThan(0.85);

  // Without a text, the inputs of the last pass are used.
  const again = await exported('again.gguf', optimised);
  expect(readFileSync(again.out).equals(readFileSync(out))).toBe(true);
});

it('an export does not replace what others wrote to its output while the model ran over the text', async () => {
  const settings = { ...optimised, type: 'Q4_0', cacheDir: join(folder, 'third'), calibration } as const;
  const out = join(folder, 'of-others.gguf');
  const progress = ({ message }: EngineProgress): void => {
    if (message.startsWith('calibration')) writeFileSync(out, 'of others');
  };
  const short = { ...settings, calibration: { ...calibration, tokens: 256 } };
  await expect(
    request('export/gguf', { path: sampleFolder, out, ...short }, { progress }),
  ).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringContaining('changed while what replaces it was being made') as string,
  });
  expect(readFileSync(out, 'utf8')).toBe('of others');
});

it('an export rejects its output before the model runs over the text, which runs with the threads of the request', async () => {
  const settings = { ...optimised, cacheDir: join(folder, 'other'), calibration, threads: 1 };
  const over = request('export/gguf', { path: sampleFolder, out: calibration.text, ...settings });
  await expect(over).rejects.toMatchObject({ code: 'REQUEST' });
  expect(existsSync(settings.cacheDir)).toBe(false);
  const threads = new Map<boolean, Set<number | undefined>>();
  const progress = ({ message }: EngineProgress): void => {
    const isCalibration = message.startsWith('calibration');
    threads.set(isCalibration, (threads.get(isCalibration) ?? new Set()).add(requestThreads()));
  };
  const params = { path: sampleFolder, out: join(folder, 'threads.gguf'), ...settings };
  await request('export/gguf', params, { progress });
  expect(threads).toEqual(
    new Map([
      [true, new Set([1])],
      [false, new Set([1])],
    ]),
  );
});

it.each([
  [{ codes: 'best' }, /"codes"/],
  [{ codes: 'optimised', objective: 'both' }, /"objective"/],
  [{ codes: 'optimised', calibration: { text: 'relative.txt' } }, /"calibration"/],
  [{ codes: 'optimised', calibration: { ...calibration, tokens: 0 } }, /"calibration"/],
])('parameters %j are an error that names what is wrong', async (settings, message) => {
  await expect(exported('never.gguf', settings)).rejects.toThrow(message);
});
