import { describe, expect, it } from 'vitest';
import { plotText } from '../../../webview/charts/plotText';

describe('a name in a chart', () => {
  it.each([
    ['blk.ffn_down', 'blk.ffn_down'],
    ['<a href="https://a.example">q</a>', '&#60;a href="https://a.example"&#62;q&#60;/a&#62;'],
    ['a&lt;b', 'a&#38;lt;b'],
    ['q\u202eproj', 'q\\u202eproj'],
    ['', '(no name)'],
  ])('%j has neither tags nor entities for plotly', (name, text) => expect(plotText(name)).toBe(text));
});
