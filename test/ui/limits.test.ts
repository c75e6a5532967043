import { afterAll, beforeAll, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { packModel } from '../../src/model/packTensors';
import type { ModelLimits } from '../../src/protocol/model';
import { sampleFolder } from '../support/files';
import { openPage, type BrowserPage } from '../support/pageInBrowser';

const reason = 'There is no description of the architecture Strange.';
let shown: BrowserPage;
let tell: (limits: ModelLimits) => void;

beforeAll(async () => {
  const opened = await openModel(sampleFolder);
  const model = packModel(opened.description);
  await opened.close();
  const limits = new Promise<ModelLimits>((resolve) => (tell = resolve));
  shown = await openPage({
    ready: () => ({ model, revision: 1, formats: [], job: { kind: 'idle' } }),
    limits: () => limits,
  });
});

afterAll(() => shown.close());

it('the model is shown before it is known what cannot be done with it, and views that depend on that wait', async () => {
  const { page } = shown;
  const tab = (name: string): Promise<void> => page.getByRole('tab', { name }).click();
  await page.locator('.tree .rows .row').first().waitFor();
  const findings = page.locator('.findings');
  expect(await findings.innerText()).toBe('Findings');
  await tab('Export');
  await page.getByText('Reading the options…').waitFor();
  tell({ gguf: reason, run: reason });
  await page.getByText(`This model cannot be exported as GGUF. ${reason}`).waitFor();
  await tab('Evaluate');
  await page.getByText(`This model cannot be run over a text. ${reason}`).waitFor();
  await tab('Model');
  expect(await findings.innerText()).toContain('This model cannot be exported as GGUF');
});
