import { heatColor } from '../../protocol/heatScale';
import { steps, tints } from './drawings';

/** Colours of steps and tints in a theme, by the page's own scale of figures. */
function scaleRules(isDark: boolean): string {
  const rules = [
    ...Array.from({ length: steps + 1 }, (_, i) => [`s${i}`, heatColor(i / steps, isDark)] as const),
    ...Array.from({ length: tints + 1 }, (_, i) => [`t${i}`, tint(i / tints, isDark)] as const),
  ];
  return rules.map(([name, color]) => `.${name}{fill:${color}}`).join('');
}

/** Texts stand on tints: they stay near the background. */
const tint = (place: number, isDark: boolean): string =>
  isDark
    ? `oklch(${(28 + 14 * place).toFixed(1)}% 0.055 250)`
    : `oklch(${(95 - 15 * place).toFixed(1)}% 0.05 250)`;

/** The style of a report: it follows the reader's theme, and prints. */
export const reportStyle = `
:root{color-scheme:light dark;--text:#1f2328;--muted:#59636e;--back:#fff;--line:#d1d9e0}
@media (prefers-color-scheme:dark){:root{--text:#e6edf3;--muted:#9198a1;--back:#0d1117;--line:#3d444d}}
@media print{:root{color-scheme:light;--text:#000;--muted:#444;--back:#fff;--line:#bbb}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1040px;padding:32px 24px 64px;background:var(--back);color:var(--text);font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{margin:0;font-size:26px;line-height:1.25;overflow-wrap:anywhere}
h2{margin:36px 0 10px;padding-bottom:4px;border-bottom:1px solid var(--line);font-size:18px}
h3,figcaption{margin:20px 0 6px;font-size:14px;font-weight:600}
figure{margin:0;min-width:0}
.maps{display:flex;flex-wrap:wrap;gap:0 40px}
p{margin:6px 0}
.muted,footer{color:var(--muted)}
.facts{display:flex;flex-wrap:wrap;gap:2px 18px;margin:8px 0 0;padding:0;list-style:none;color:var(--muted)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:3px 18px 3px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;white-space:nowrap}
td:last-child{white-space:normal;overflow-wrap:anywhere}
th{color:var(--muted);font-weight:500}
.number{text-align:right}
ul.findings{margin:6px 0;padding-left:20px}
svg{display:block;flex:none;margin:6px 0;font:11px system-ui,-apple-system,"Segoe UI",sans-serif}
svg text{fill:var(--text)}
svg text.muted{fill:var(--muted)}
svg text.head{font-weight:600}
svg .none{fill:none;stroke:var(--line);stroke-width:.5}
${scaleRules(false)}
@media screen and (prefers-color-scheme:dark){${scaleRules(true)}}
footer{margin-top:48px;font-size:12px}
`;
