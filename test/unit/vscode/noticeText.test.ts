import { expect, it } from 'vitest';
import { noticeText } from '../../../src/vscode/noticeText';

/** What VS Code takes for a link in a notification. */
const link = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/gi;

it.each([
  'There is no tensor "[here](command:workbench.action.quit)".',
  '[a](command:b)[c](https://example.com)',
  '[a[b](command:c](command:d))',
])('a notification makes no link of a name: %s', (message) => {
  expect(message).toMatch(link);
  expect(noticeText(message)).not.toMatch(link);
});

it('other messages stay as they are', () => {
  expect(noticeText('Exported a[1] (b).gguf: 1.2 MB.')).toBe('Exported a[1] (b).gguf: 1.2 MB.');
});
