// npm run demo: the main workflow on the sample model, in the terminal. Installs and builds what is missing.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { execPath, exit } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

ensureDependencies();
ensureAddon();
ensureBundles();

const model = join(root, 'samples', 'tiny-shakespeare-llama');
const folder = join(root, 'demo-output');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

/** Runs a quantscope command, shows it, and returns its JSON. */
function quantscope(...args) {
  console.log(
    `\n$ quantscope ${args
      .map((arg) => relative(root, arg) || arg)
      .map((arg, i) => (args[i].startsWith(root) ? arg : args[i]))
      .join(' ')}`,
  );
  const { status, stdout } = spawnSync(execPath, [join(root, 'dist', 'cli.mjs'), ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) exit(1);
  return JSON.parse(stdout);
}

const inspected = quantscope('inspect', model);
console.log(
  `${inspected.tensors.length} tensors, ${inspected.parameters.toLocaleString('en-US')} parameters, ${inspected.tensors[0].dtype}`,
);

const text = join(model, 'generated-calibration.txt');
const sensitivity = quantscope('sensitivity', model, '--text', text);
const cells = sensitivity.rows.reduce((sum, row) => sum + row.cells.length, 0);
console.log(
  `${sensitivity.rows.length} tensors × formats: ${cells} measured errors, on ${sensitivity.rows[0].cells[0].device}`,
);

const plan45 = join(folder, 'budget-4.5bpw.ampq.json');
const { plan } = quantscope(...['recommend', model, '--budget', '4.5bpw', '--text', text, '--out', plan45]);
console.log(
  `${plan.total.bitsPerWeight.toFixed(4)} bits per weight, predicted KL divergence ${plan.total.divergence.toExponential(3)}`,
);

const preset = join(folder, 'tiny-Q4_K_M.gguf');
const presetExport = quantscope('export', model, '--type', 'Q4_K_M', '--out', preset);
const mix45 = join(folder, 'tiny-4.5bpw.gguf');
const mix45Export = quantscope('export', model, '--plan', plan45, '--out', mix45);

const planSame = join(folder, 'size-of-Q4_K_M.ampq.json');
quantscope(
  ...['recommend', model, '--budget', `${statSync(preset).size}B`, '--text', text, '--out', planSame],
);
const mixSame = join(folder, 'tiny-mix-size-of-Q4_K_M.gguf');
const mixSameExport = quantscope('export', model, '--plan', planSame, '--out', mixSame);

/** Figures of the quantized model on a text that the model generated: every token of the windows is scored. */
const evaluated = (...variant) =>
  quantscope(
    ...['eval', model, '--text', join(model, 'generated-eval.txt'), '--convention', 'sliding'],
    ...['--context', '256', ...variant],
  ).text;

const results = [
  ['Q4_K_M (preset)', presetExport, evaluated('--type', 'Q4_K_M')],
  ['AMPQ, size of Q4_K_M', mixSameExport, evaluated('--plan', planSame)],
  ['AMPQ, 4.5 bpw', mix45Export, evaluated('--plan', plan45)],
];
console.log('\nfile                          bytes  bits/weight   mean KLD     PPL  types');
for (const [name, exported, { divergence, perplexity }] of results) {
  const types = {};
  for (const { to } of exported.tensors) if (to !== 'F32') types[to] = (types[to] ?? 0) + 1;
  console.log(
    [
      name.padEnd(22),
      statSync(exported.out).size.toLocaleString('en-US').padStart(12),
      exported.bitsPerWeight.toFixed(4).padStart(12),
      divergence.mean.value.toExponential(3).padStart(10),
      perplexity.value.toFixed(3).padStart(7),
      ` ${Object.entries(types)
        .map(([type, count]) => `${count}×${type}`)
        .join(' ')}`,
    ].join(' '),
  );
}
console.log('Mean KLD: nats per token from the original; PPL: perplexity of the text.');
console.log(`\nThe files are in ${folder}`);
console.log(`Open them in VS Code: code ${folder}   (or: npm start -- ${relative(root, folder)})`);
