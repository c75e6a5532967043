import { expect, it } from 'vitest';
import { markup } from '../../../src/protocol/markup';

it('shows tags, entities and quotes as they are', () => {
  expect(markup(`<a href="x" onload='y'>&amp;`)).toBe(
    '&lt;a href=&quot;x&quot; onload=&#39;y&#39;&gt;&amp;amp;',
  );
});

it('replaces what cannot stand in XML', () => {
  expect(markup('a\u0001b\ufffec\ud800d\t\n')).toBe('a\ufffdb\ufffdc\ufffdd\t\n');
  expect(markup('😀')).toBe('😀');
});
