import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request, evaluate } = engineJobs(cacheDir);
const sampleText = (name: string): string => join(sampleFolder, `generated-${name}.txt`);
const calibration = { text: sampleText('calibration'), context: 256, tokens: 4096 };
const optimised = { type: 'Q4_K_M', codes: 'optimised', cacheDir, device: 'cpu' } as const;

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

it.each([
  [{ codes: 'best' }, /"codes"/],
  [{ codes: 'optimised', calibration: { text: 'relative.txt' } }, /"calibration"/],
  [{ codes: 'optimised', calibration: { ...calibration, tokens: 0 } }, /"calibration"/],
])('parameters %j are an error that names what is wrong', async (settings, message) => {
  await expect(exported('never.gguf', settings)).rejects.toThrow(message);
});
