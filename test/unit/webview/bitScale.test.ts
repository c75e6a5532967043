import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { namedBits } from '../../../src/protocol/formatBits';
import { bitColor, bitLength, bitStops } from '../../../webview/bitScale';
import { projectRoot } from '../../support/files';

const css = readFileSync(join(projectRoot, 'webview/styles/bits.css'), 'utf8');

/** The colours of one theme, by the selector of their rule. */
function scaleOf(selector: string): string[] {
  const rule = new RegExp(`(?:^|\\n)${selector}[^{]*{([^}]*)}`).exec(css)?.[1] ?? '';
  return bitStops.map((stop) => new RegExp(`--bits-${stop}: (#[0-9a-f]{6});`).exec(rule)?.[1] ?? '');
}

/** Relative luminance and contrast as WCAG 2.2 defines them. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(color.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light! + 0.05) / (dark! + 0.05);
}

describe('the scale of bits', () => {
  it.each([
    ['dark', 'body', '#1f1f1f'],
    ['light', 'body.vscode-light', '#ffffff'],
  ])('rises in contrast to a %s ground with every step, from 3:1', (_theme, selector, ground) => {
    const contrasts = scaleOf(selector).map((color) => contrast(color, ground));
    expect(contrasts[0]).toBeGreaterThan(3);
    expect(contrasts.at(-1)).toBeGreaterThan(12);
    for (let i = 1; i < contrasts.length; i++) expect(contrasts[i]! / contrasts[i - 1]!).toBeGreaterThan(1.1);
  });

  it.each(['body', 'body.vscode-light'])('is warm for few bits and cool for many in %s', (selector) => {
    const scale = scaleOf(selector).map((color) => [1, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
    const excess = scale.map(([red, blue]) => blue! - red!);
    expect(Math.max(...excess.slice(0, 3))).toBeLessThan(-100);
    expect(Math.min(...excess.slice(-3))).toBeGreaterThan(40);
  });

  it('has a colour for whole bits and mixes those between', () => {
    expect(bitColor(4)).toBe('var(--bits-4)');
    expect(bitColor(4.25)).toBe('color-mix(in oklab, var(--bits-4), var(--bits-5) 25%)');
    expect(bitColor(12)).toBe('color-mix(in oklab, var(--bits-8), var(--bits-16) 50%)');
    expect([bitColor(0.5), bitColor(32)]).toEqual(['var(--bits-1)', 'var(--bits-16)']);
  });

  it('has bars up to 16 bits', () => {
    expect([0, 4, 16, 32].map(bitLength)).toEqual([0, 0.25, 1, 1]);
  });

  it('reads the bits in names of dtypes and formats', () => {
    const names = [
      'IQ4_XS',
      'TQ1_0',
      'Q4_K',
      'BF16',
      'F8_E4M3',
      'fp8-e4m3-row',
      'block-int4-sym',
      'nf4',
      'BOOL',
    ];
    expect(names.map(namedBits)).toEqual([4, 1, 4, 16, 8, 8, 4, 4, undefined]);
  });
});
