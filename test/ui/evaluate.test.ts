/// <reference lib="dom" />
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationResult } from '../../src/protocol/evaluation';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import { estimateText, preciseText } from '../../src/protocol/figures';
import { embeddingCheckpoints } from '../support/embeddingCheckpoints';
import { enginePids } from '../support/engineProcesses';
import { projectRoot, temporaryFolder } from '../support/files';
import { hasServer, keepFailures, openModelFile, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { writeCheckpoint } from '../support/writeCheckpoint';
import { acceptFile, frontFrame, openFile, runCommand, setTheme } from '../support/workbench';

/** What plotly keeps on the element it draws into. */
interface Drawn {
  readonly name: string;
  readonly x: number[];
  readonly y: number[];
}

const wait = 120_000;
/** As many as the text has. */
const windows = '24';

/** A model that embeds texts, `bert.gguf`, and pairs of texts for it. */
async function writeEmbedder(folder: string): Promise<void> {
  const source = join(temporaryFolder(), 'bert');
  await writeCheckpoint(source, embeddingCheckpoints['BERT']!);
  const model = await openModel(source);
  await exportGguf(model, { type: 'F16' }, join(folder, 'bert.gguf'));
  await model.close();
  const words = ['love', 'war', 'night', 'house', 'king', 'speak'];
  const lines = words.map((query) => JSON.stringify({ query, document: `the ${query} comes` }));
  writeFileSync(join(folder, 'pairs.jsonl'), lines.join('\n'));
}

describe.skipIf(!hasServer)('the Evaluate tab', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;
  const workspace = sampleWorkspace();
  const cache = temporaryFolder();

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(workspace, wait, async () => {
      writeFileSync(join(workspace, 'short.txt'), 'To be');
      await writeEmbedder(workspace);
    }));
  });

  keepFailures('evaluate', () => page);

  afterAll(async () => {
    await code.close();
  });

  const textField = (label: string) => frame.locator(`vscode-text-field[aria-label="${label}"] input`);
  const weights = () => frame.getByLabel('Weights to evaluate');
  const run = () => frame.locator('.run');
  const rows = () => frame.locator('.result-table tbody tr');
  const row = (variant: string) => rows().filter({ has: frame.getByRole('rowheader', { name: variant }) });
  const cell = (variant: string, column: string) => row(variant).first().locator(`[data-column="${column}"]`);
  const drawn = (): Promise<Drawn[]> =>
    frame
      .locator('.curve.js-plotly-plot')
      .evaluate((element) => (element as unknown as { data: Drawn[] }).data);

  /** Runs a variant on the first windows, to its end. */
  async function evaluate(variant: string, most: string): Promise<void> {
    await weights().selectOption(variant);
    await textField('Maximum windows').fill(most);
    const before = await rows().count();
    await frame.getByRole('button', { name: 'Run', exact: true }).click();
    await expect.poll(() => rows().count(), { timeout: wait }).toBe(before + 1);
    await run().getByText('Finished').waitFor({ timeout: wait });
  }

  it('opens from the palette, with the text next to the model', async () => {
    await runCommand(page, 'Quantscope: Evaluate…');
    await expect
      .poll(() => frame.getByRole('tab', { name: 'Evaluate' }).getAttribute('aria-selected'), {
        timeout: wait,
      })
      .toBe('true');
    await frame.locator('.evaluate .field', { hasText: 'generated-eval.txt' }).waitFor({ timeout: wait });
    expect(await frame.locator('.none-yet').innerText()).toMatch(/No results yet/);
    await frame.getByLabel('Device').selectOption('cpu');
    await screenshot(page, 'evaluate-empty');
  });

  it('says what is wrong with the form before anything runs', async () => {
    await textField('Maximum windows').fill('many');
    await expect
      .poll(() => frame.locator('.start').innerText())
      .toMatch(/Maximum windows: “many” is not a whole number/);
    await frame.locator('.start vscode-button[disabled]').waitFor({ timeout: wait });
    await textField('Maximum windows').fill(windows);
    await expect.poll(() => frame.locator('.start').innerText()).not.toMatch(/many/);
  });

  it('draws the curve while it runs, says how long is left, and shows the figures that the command line gives', async () => {
    await frame.locator('body').evaluate((body) => {
      const seen = new Set<string>();
      Object.assign(globalThis, { seen });
      new MutationObserver(() => {
        const going = body.querySelector('.going');
        if (going) seen.add(going.textContent ?? '');
      }).observe(body, { subtree: true, childList: true, characterData: true });
    });
    await evaluate('type Q4_K_M', windows);
    const [perplexity, divergence] = await drawn();
    expect(perplexity?.name).toBe('perplexity');
    expect(perplexity?.x.at(-1)).toBe(Number(windows));
    expect(perplexity?.y.every((value) => value > 1 && value < 100)).toBe(true);
    expect(divergence?.y.at(-1)).toBeGreaterThan(0);
    expect(await frame.locator('.curve .scatterlayer .trace').count()).toBe(2);
    const seen = await frame
      .locator('body')
      .evaluate(() => [...(globalThis as unknown as { seen: Set<string> }).seen].join('\n'));
    expect(seen).toMatch(/\d+ %\d+ (s|min) left/);
    const program = join(projectRoot, 'dist', 'cli.mjs');
    const args = [join(workspace, 'model.safetensors'), '--text', join(workspace, 'generated-eval.txt')];
    const printed = execFileSync(
      execPath,
      [program, 'eval', ...args, '--type', 'Q4_K_M', '--windows', windows, '--device', 'cpu', '--json'],
      { env: { ...process.env, QUANTSCOPE_CACHE: cache }, encoding: 'utf8', stdio: 'pipe' },
    );
    const { text, bytes } = JSON.parse(printed) as EvaluationResult;
    expect(await cell('Q4_K_M', 'perplexity').innerText()).toBe(preciseText(text!.perplexity));
    expect(await cell('Q4_K_M', 'kld').innerText()).toBe(estimateText(text!.divergence!.mean));
    expect(await cell('Q4_K_M', 'size').getAttribute('title')).toBe(`${bytes.toLocaleString('en-US')} bytes`);
    expect(await cell('Q4_K_M', 'speed').innerText()).toMatch(/^\d/);
  });

  it('compares two results token by token, in words', async () => {
    await evaluate('type Q4_0', windows);
    await evaluate('type Q8_0', windows);
    await frame.getByLabel('Compare Q4_0', { exact: true }).check();
    await frame.getByLabel('Compare Q8_0', { exact: true }).check();
    const sentence = frame.locator('.pair');
    await expect
      .poll(() => sentence.innerText(), { timeout: wait })
      .toMatch(/In KL divergence from the base Q4_0 is worse than Q8_0 by [\d.]+ ± [\d.]+ nats per token\./);
    const loss = async (variant: string): Promise<number> =>
      Number.parseFloat((await cell(variant, 'perplexity').getAttribute('title')) ?? '');
    const difference = (await loss('Q4_0')) - (await loss('Q8_0'));
    const said = /(worse|better) than Q8_0 by ([\d.]+) ±|the difference is (−?[\d.]+) ±/.exec(
      await sentence.innerText(),
    )!;
    const value = Number((said[3] ?? said[2])!.replace('−', '-')) * (said[1] === 'better' ? -1 : 1);
    expect(Math.abs(value - difference)).toBeLessThan(0.02);
    await frame.locator('.by-size.js-plotly-plot').waitFor({ timeout: wait });
  });

  it('shows a recipe beside types of GGUF, and asks for a calibration text where it uses one', async () => {
    const calibration = frame.locator('.evaluate .field', { hasText: 'Calibration text' });
    await weights().selectOption('recipe gptq-int4-g32');
    await calibration.getByText('generated-calibration.txt').waitFor({ timeout: wait });
    await frame.locator('.view').evaluate((view) => view.scrollTo(0, 0));
    await screenshot(page, 'evaluate-recipe-dark');
    await evaluate('recipe bnb-nf4', windows);
    expect(await calibration.count()).toBe(0);
    const bytes = async (variant: string): Promise<number> =>
      Number((await cell(variant, 'size').getAttribute('title'))?.replace(/\D/g, ''));
    expect(await bytes('bnb-nf4')).toBeLessThan(await bytes('Q8_0'));
    expect(await cell('bnb-nf4', 'kld').innerText()).toMatch(/^0\.\d+ ± /);
  });

  it('is ordered by any figure, with the keyboard', async () => {
    const header = frame.locator('.results').getByRole('columnheader', { name: 'Size' });
    await header.getByRole('button').focus();
    await page.keyboard.press('Enter');
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
    const sizes = (): Promise<number[]> =>
      frame
        .locator('[data-column="size"]')
        .evaluateAll((cells) => cells.map((item) => Number(item.getAttribute('title')?.replace(/\D/g, ''))));
    const ascending = await sizes();
    expect(ascending.length).toBeGreaterThanOrEqual(3);
    expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
    await page.keyboard.press('Enter');
    expect(await sizes()).toEqual([...ascending].reverse());
    expect(await header.getByRole('button').getAttribute('title')).toMatch(/Bytes of all tensors/);
  });

  it('looks right in a dark and a light theme', async () => {
    await frame.getByRole('separator').focus();
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowLeft'); // room for the table
    for (const variant of ['original', 'type Q6_K', 'type Q4_K_S', 'type Q5_K_M', 'type Q3_K_M'])
      await evaluate(variant, windows);
    for (const variant of ['Q4_K_S', 'Q4_K_M'])
      await frame.getByLabel(`Compare ${variant}`, { exact: true }).check();
    await frame.locator('.pair', { hasText: 'Q4_K_S' }).waitFor({ timeout: wait });
    // The view alone: scrollIntoView would move VS Code's own frames, too.
    await frame.locator('.view').evaluate((view) => {
      const run = view.querySelector('.run')!.getBoundingClientRect();
      view.scrollTop += run.top - view.getBoundingClientRect().top;
    });
    await screenshot(page, 'evaluate-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'evaluate-light');
    // Only the view scrolls, never the page around it.
    expect(await frame.locator('html').evaluate((html) => html.scrollHeight - html.clientHeight)).toBe(0);
    const ink = await frame
      .locator('.curve')
      .evaluate((element) => getComputedStyle(element.querySelector('.xtick text')!).fill);
    const [red = 255] = ink.match(/\d+/g)!.map(Number);
    expect(red).toBeLessThan(128); // dark text on a light ground
    await setTheme(page, 'dark');
  });

  it('keeps results of other windows apart', async () => {
    await evaluate('type Q4_0', '5');
    await expect.poll(() => frame.locator('.result-group').count()).toBe(2);
    expect(await frame.locator('.results').innerText()).toMatch(
      /Figures are comparable only on the same text/,
    );
    const boxes = frame.getByLabel('Compare Q4_0', { exact: true });
    await boxes.first().check();
    await boxes.last().check();
    await expect.poll(() => frame.locator('.results > .notice').innerText()).toMatch(/cannot be compared/);
  });

  it('removes a result once that is confirmed', async () => {
    const before = await rows().count();
    const remove = () =>
      frame
        .locator('.result-group')
        .first()
        .getByRole('button', { name: /Remove the result/ });
    await remove().first().click();
    await page.locator('.monaco-dialog-box').getByRole('button', { name: 'Cancel' }).click({ timeout: wait });
    expect(await rows().count()).toBe(before);
    await remove().first().click();
    await page
      .locator('.monaco-dialog-box')
      .getByRole('button', { name: 'Remove', exact: true })
      .click({ timeout: wait });
    await expect.poll(() => rows().count()).toBe(before - 1);
  });

  /** A run that takes a while: a window every few tokens. */
  async function startLong(): Promise<void> {
    await weights().selectOption('original');
    await frame.getByLabel('Convention of the windows').selectOption('sliding');
    await textField('Stride').fill('4');
    await textField('Maximum windows').fill('');
    await frame.getByRole('button', { name: 'Run', exact: true }).click();
    await frame.locator('.curve.js-plotly-plot').waitFor({ timeout: wait });
    await run().getByText('windows scored').waitFor({ timeout: wait });
  }

  it('is cancelled, and keeps nothing of it', async () => {
    const before = await rows().count();
    await startLong();
    expect(await frame.getByRole('tab', { name: 'Evaluate' }).locator('.running-mark').count()).toBe(1);
    await screenshot(page, 'evaluate-running');
    await run().getByRole('button', { name: 'Cancel' }).click();
    await run()
      .getByText(/Cancelled after \d+ windows/)
      .waitFor({ timeout: wait });
    expect(await rows().count()).toBe(before);
  });

  it('continues while its editor is closed, and the form keeps its contents', async () => {
    await startLong();
    // "12 of 24"
    const scored = async (): Promise<number> => parseInt(await run().locator('dd').first().innerText(), 10);
    const before = await scored();
    await runCommand(page, 'View: Close All Editors');
    await openFile(page, 'model.safetensors');
    frame = frontFrame(page);
    await frame.getByRole('tab', { name: 'Evaluate' }).click({ timeout: wait });
    await run().getByText('windows scored').waitFor({ timeout: wait });
    expect(await scored()).toBeGreaterThanOrEqual(before);
    expect(await weights().inputValue()).toBe('original');
    expect(await textField('Stride').inputValue()).toBe('4');
    expect((await drawn())[0]!.x.length).toBeGreaterThan(1);
  });

  it('offers to restart the engine when it is killed, and runs again', async () => {
    for (const pid of enginePids()) process.kill(pid, 'SIGKILL');
    const again = run().getByRole('button', { name: 'Restart and Run Again' });
    await again.waitFor({ timeout: wait });
    await screenshot(page, 'evaluate-died');
    await again.click();
    await run().getByRole('button', { name: 'Cancel' }).waitFor({ timeout: wait });
    await run().getByText('windows scored').waitFor({ timeout: wait });
    await run().getByRole('button', { name: 'Cancel' }).click();
    await run()
      .getByText(/Cancelled after/)
      .waitFor({ timeout: wait });
  });

  it('says why a run failed', async () => {
    await frame.getByRole('button', { name: 'Browse… (Text)' }).click();
    await acceptFile(page, 'short.txt');
    await frame.locator('.evaluate .field', { hasText: 'short.txt' }).waitFor({ timeout: wait });
    await frame.getByRole('button', { name: 'Run', exact: true }).click();
    await expect
      .poll(() => run().locator('.notice.error').innerText(), { timeout: wait })
      .toMatch(/short\.txt/);
  });

  it('computes an importance matrix, which an evaluation uses', async () => {
    await runCommand(page, 'Quantscope: Compute Importance Matrix…');
    await textField('Maximum chunks').fill('3');
    await frame.getByRole('button', { name: 'Compute Importance Matrix…' }).click();
    await acceptFile(page);
    const done = frame.locator('.calibrated');
    await done.waitFor({ timeout: wait });
    expect(await done.innerText()).toMatch(
      /imatrix\.gguf – 42 matrices, 3 chunks, 768 tokens, perplexity \d/,
    );
    expect(existsSync(join(workspace, 'imatrix.gguf'))).toBe(true);
    await screenshot(page, 'evaluate-importance');
    await frame.getByRole('button', { name: 'Use in an Evaluation' }).click();
    await frame.locator('.evaluate .field', { hasText: 'imatrix.gguf' }).waitFor({ timeout: wait });
  });

  it('embeds pairs of texts with a model that predicts none', async () => {
    frame = await openModelFile(page, 'bert.gguf', wait);
    await frame.getByRole('tab', { name: 'Evaluate' }).click({ timeout: wait });
    await frame.getByRole('radio', { name: 'Pairs of texts' }).waitFor({ timeout: wait });
    expect(await textField('Maximum windows').count()).toBe(0);
    await expect.poll(() => frame.locator('.start').innerText()).toMatch(/Choose a file of pairs/);
    await frame.getByRole('button', { name: 'Browse… (Pairs)' }).click();
    await acceptFile(page, 'pairs.jsonl');
    await frame.locator('.evaluate .field', { hasText: 'pairs.jsonl' }).waitFor({ timeout: wait });
    for (const variant of ['original', 'type Q4_0']) {
      await weights().selectOption(variant);
      const before = await rows().count();
      await frame.getByRole('button', { name: 'Run', exact: true }).click();
      await expect.poll(() => rows().count(), { timeout: wait }).toBe(before + 1);
    }
    expect(await frame.locator('.result-group h3').innerText()).toMatch(/pairs\.jsonl 6 pairs, 6 documents/);
    expect(await cell('Q4_0', 'first').innerText()).toMatch(/ %$/);
    expect(await cell('original', 'cosine').innerText()).toBe('–');
    expect(parseFloat(await cell('Q4_0', 'cosine').innerText())).toBeGreaterThan(0.8);
    await screenshot(page, 'evaluate-pairs');
  });

  it('fits a narrow editor', async () => {
    const pageWidth = () => frame.locator('body').evaluate(() => window.innerWidth);
    const before = await pageWidth();
    await page.setViewportSize({ width: 960, height: 900 }); // 480 pixels less: the editor is about 600 wide
    await expect.poll(pageWidth).toBe(before - 480);
    const overflow = () =>
      frame.locator('.view').evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
    await expect.poll(overflow).toBeLessThanOrEqual(0);
    await frame.locator('.results').scrollIntoViewIfNeeded();
    await screenshot(page, 'evaluate-narrow');
  });
});
