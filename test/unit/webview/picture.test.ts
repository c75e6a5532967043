import { describe, expect, it } from 'vitest';
import { framedSvg, withDiamond } from '../../../webview/charts/picture';

const colors = { foreground: '#111', muted: '#777', background: '#fff' };
const chart = { svg: '<svg><path d="M0 0"/></svg>', width: 300, height: 100 };

describe('a chart in a file', () => {
  it('stands under its title, what it is about and what it shows', () => {
    const text = { title: 'Histogram', about: ['model', 'w'], description: 'of 10 weights' };
    const { svg, width, height } = framedSvg(chart, text, colors, '"Segoe UI", sans-serif');
    expect(width).toBe(332);
    expect(height).toBeGreaterThan(160);
    expect(svg).toContain(`viewBox="0 0 ${width} ${height}"`);
    expect([...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, line]) => line)).toEqual([
      'Histogram',
      'model · w',
      'of 10 weights',
    ]);
    expect(svg).toContain('font-family="&quot;Segoe UI&quot;, sans-serif"');
    expect(svg).toContain(chart.svg);
    expect(svg).toContain('fill="#fff"');
  });

  it('shows markup of names as text', () => {
    const { svg } = framedSvg(chart, { title: 'T', about: ['<script>"&\u0000'] }, colors, 'x');
    expect(svg).toContain('&lt;script&gt;&quot;&amp;\ufffd<');
    expect(svg).not.toContain('<script>');
  });

  it('cuts names that are too long in the middle', () => {
    const about = [`model.${'very.'.repeat(40)}layers.31.mlp.down_proj.weight`];
    const { svg } = framedSvg(chart, { title: 'T', about }, colors, 'x');
    const line = /model\.[^<]*/.exec(svg)![0];
    expect(line.length).toBeLessThan(55);
    expect(line).toMatch(/^model.*….*31\.mlp\.down_proj\.weight$/);
  });

  it('gets a diamond where something is chosen', () => {
    const marked = withDiamond(chart, { x: 100, y: 40 }, colors);
    expect(marked).toMatchObject({ width: 300, height: 100 });
    expect(marked.svg).toBe(
      '<svg><path d="M0 0"/><path d="M92 40L100 32L108 40L100 48Z" fill="#111" stroke="#fff" stroke-width="2"/></svg>',
    );
  });
});
