// Runs before vsce packs, and builds the bundles. A package contains the addon and the runtime of one platform, so vsce must be told
// which; `npm run package` does that.
import { spawnSync } from 'node:child_process';
import { env, execPath, exit } from 'node:process';
import { root } from './prepare.mjs';

if (!env.QUANTSCOPE_PACKAGE) {
  console.error(
    'A package contains the binaries of one platform. Make it with: npm run package -- --target linux-x64',
  );
  exit(1);
}
exit(spawnSync(execPath, ['esbuild.mjs', '--production'], { cwd: root, stdio: 'inherit' }).status ?? 1);
