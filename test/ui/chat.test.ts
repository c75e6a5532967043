/// <reference lib="dom" />
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasServer, keepFailures, openSample, sampleWorkspace } from '../support/sampleEditor';
import { screenshot } from '../support/screenshots';
import type { VsCode } from '../support/vscodeServer';
import { makeNarrow, overflowOf, runCommand, setTheme } from '../support/workbench';

const wait = 120_000;
/** Jobs yield to whatever else runs. */
const answering = 360_000;

describe.skipIf(!hasServer)('a chat with a variant', () => {
  let code: VsCode;
  let page: Page;
  let frame: FrameLocator;

  beforeAll(async () => {
    ({ code, page, frame } = await openSample(sampleWorkspace(), wait));
  });

  keepFailures('chat', () => page);

  afterAll(async () => {
    await code.close();
  });

  const say = async (text: string): Promise<void> => {
    await frame.getByRole('textbox', { name: 'What you say' }).fill(text);
    await frame.locator('.prompt vscode-button', { hasText: 'Send' }).click();
  };
  const notes = () => frame.locator('.answer > p').allInnerTexts();

  it('is a mode of the Evaluate page, which its command opens', async () => {
    await runCommand(page, 'Quantscope: Chat with Variant…');
    await frame.getByText('Both answer the same conversation.').waitFor({ timeout: wait });
  });

  it('has both answers with the divergence of each token, and marks where the other model says something else', async () => {
    await frame.getByRole('combobox', { name: 'Variant that answers' }).selectOption('type Q2_K');
    await frame.locator('.options .field', { hasText: 'Most tokens' }).locator('input').fill('16');
    await say('ROMEO:\nWhat');
    await frame
      .getByText('Choose a token to see what both models say of it.')
      .waitFor({ timeout: answering });
    expect(await notes()).toEqual([
      expect.stringMatching(/^16 tokens, mean KLD 0\.\d+ nats; ended at the most tokens$/),
      expect.stringMatching(/^16 tokens, mean KLD 0\.\d+ nats/),
    ]);
    expect(await frame.locator('.answer').first().locator('.token').count()).toBe(16);
    expect(await frame.locator('.answer').first().locator('.token.differs').count()).toBeGreaterThan(0);
    await frame.getByText('The model has no chat template: both go on with the text.').waitFor();
  });

  it('names the tensors that moved a token', async () => {
    const tokens = frame.locator('.answer').first().locator('.token');
    await tokens.nth(0).click();
    await page.keyboard.press('ArrowRight');
    await frame.getByRole('option', { selected: true, name: /^“ I”/ }).waitFor({ timeout: wait });
    await frame.locator('.token-details vscode-button', { hasText: 'Which tensors did this?' }).click();
    await frame.locator('.causes tr').first().waitFor({ timeout: answering });
    const shares = (await frame.locator('.causes td').allInnerTexts()).map(parseFloat);
    expect(shares).toHaveLength(12);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
    await screenshot(page, 'chat-dark');
    await setTheme(page, 'light');
    await screenshot(page, 'chat-light');
  });

  it('goes on with the answer that was chosen, also in a narrow editor', async () => {
    await frame
      .getByRole('combobox', { name: 'Answer that the conversation goes on with' })
      .selectOption('variant');
    await say('\nJULIET:\n');
    await frame.locator('.turn.assistant', { hasText: 'thou' }).waitFor({ timeout: wait });
    await frame
      .getByText('Choose a token to see what both models say of it.')
      .waitFor({ timeout: answering });
    await runCommand(page, 'View: Toggle Primary Side Bar Visibility');
    await makeNarrow(page, frame);
    expect(await overflowOf(frame.locator('.view'))).toBeLessThanOrEqual(0);
    const variant = frame.getByRole('combobox', { name: 'Variant that answers' });
    expect(await variant.inputValue()).toBe('type Q2_K');
    await screenshot(page, 'chat-narrow');
  });
});
