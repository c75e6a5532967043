import { rmSync } from 'node:fs';
import { runTests } from '@vscode/test-electron';
import { makeWorkspace, showReport, testsEnvironment, type Launch } from './workspace';

/** Runs the same tests in the desktop VS Code, which is downloaded if it is not there. */
export async function launch(launched: Launch): Promise<number> {
  const { root, consumer, tests, report } = launched;
  const folder = makeWorkspace(root);
  try {
    await runTests({
      extensionDevelopmentPath: [root, consumer],
      extensionTestsPath: tests,
      launchArgs: [folder, '--disable-workspace-trust', '--disable-extensions'],
      extensionTestsEnv: testsEnvironment(launched),
    });
    return showReport(report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
