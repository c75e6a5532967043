// npm run check:device: runs formats and forward passes on a GPU and compares them with the addon and an independent forward
// pass. `-- cuda` or `-- webgpu` names the device, otherwise the probe chooses; `--software` uses Chromium's Vulkan on the CPU;
// `--only PATTERN` runs some of the checks. Exits with 1 if a check fails, with 2 if there is no GPU.
import { argv, exit } from 'node:process';
import { parseArgs } from 'node:util';
import { ensureAddon, ensureDependencies } from './prepare.mjs';

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: { software: { type: 'boolean' }, only: { type: 'string', default: '' } },
});
ensureDependencies();
ensureAddon();
const { runDeviceChecks } = await import('../test/support/deviceChecks.mjs');
const { report, checks } = await runDeviceChecks({
  device: positionals[0] ?? (values.software ? 'webgpu' : 'auto'),
  ...{ software: values.software, only: values.only, onCheck: show },
});
for (const { device, reason } of report.refused) console.log(`${device}: ${reason}`);
console.log(`Device: ${report.label}`);
const failed = checks.filter(({ ok }) => !ok).length;
console.log(`${checks.length - failed} passed, ${failed} failed`);
exit(report.chosen === 'cpu' ? 2 : failed > 0 ? 1 : 0);

function show({ name, ok, difference, bound, seconds, error }) {
  const figure = error ?? `${difference?.toExponential(1) ?? 'NaN'} of ${bound}`;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${seconds.toFixed(2).padStart(7)} s  ${name}: ${figure}`);
}
