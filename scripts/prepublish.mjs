// What vsce runs before it packs: the bundles. A package holds the addon and the runtime of one platform, so that vsce must be told
// which; `npm run package` does.
import { spawnSync } from 'node:child_process';
import { env, execPath, exit } from 'node:process';
import { root } from './prepare.mjs';

if (!env.QUANTSCOPE_PACKAGE) {
  console.error(
    'A package holds the binaries of one platform. Make it with: npm run package -- --target linux-x64',
  );
  exit(1);
}
exit(spawnSync(execPath, ['esbuild.mjs', '--production'], { cwd: root, stdio: 'inherit' }).status ?? 1);
