// npm run models: writes the table of models in README.md again, from the registry of architectures. The test that compares
// them does it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { env, execPath, exit } from 'node:process';
import { ensureDependencies, root } from './prepare.mjs';

ensureDependencies();
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const test = 'test/unit/architectures/modelTable.test.ts';
const { status } = spawnSync(execPath, [vitest, 'run', '--project', 'unit', test], {
  cwd: root,
  env: { ...env, QUANTSCOPE_UPDATE_DOCS: '1' },
  stdio: 'inherit',
});
exit(status ?? 1);
