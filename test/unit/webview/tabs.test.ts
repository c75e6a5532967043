import { expect, it } from 'vitest';
import { tabGroups, tabs } from '../../../webview/tabs';

it('pages are listed once, in groups, each with what it is for', () => {
  expect(tabGroups.map(({ label, tabs: own }) => [label, own.map((tab) => tab.label)])).toEqual([
    ['Inspect', ['Tensor', 'Metadata']],
    ['Choose formats', ['Quantize Layer', 'Sensitivity', 'Plan']],
    ['Make files', ['Quantize Model', 'Export', 'Refine']],
    ['Check', ['Compare', 'Evaluate']],
  ]);
  expect(new Set(tabs.map(({ id }) => id)).size).toBe(tabs.length);
  for (const { hint } of tabs) expect(hint).toMatch(/^[A-Z].*\.$/);
});
