// Writes again what is generated from tables of the sources: `npm run models` the table of models in README.md, from the registry of
// architectures; `npm run tools` the tools for language models in package.json. The tests that compare them do it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { argv, env, execPath, exit } from 'node:process';
import { ensureDependencies, root } from './prepare.mjs';

const tests = {
  models: 'test/unit/architectures/modelTable.test.ts',
  tools: 'test/unit/vscode/contributedTools.test.ts',
};
const test = tests[argv[2]];
if (test === undefined) {
  console.error(`Name one of: ${Object.keys(tests).join(', ')}.`);
  exit(2);
}
ensureDependencies();
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(execPath, [vitest, 'run', '--project', 'unit', test], {
  cwd: root,
  env: { ...env, QUANTSCOPE_UPDATE_DOCS: '1' },
  stdio: 'inherit',
});
exit(status ?? 1);
