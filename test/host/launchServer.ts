import { rmSync } from 'node:fs';
import { startVsCode } from '../support/vscodeServer';
import { makeWorkspace, showReport, testsEnvironment, type Launch } from './workspace';

/** How long all in-host tests may take (milliseconds). */
const limit = 480_000;

/** Runs the tests in the extension host of a VS Code server, with Chromium as its window. */
export async function launch(launched: Launch): Promise<number> {
  const { root, consumer, tests, report } = launched;
  const folder = makeWorkspace(root);
  rmSync(report, { force: true });
  const code = await startVsCode({
    folder,
    extensionPath: root,
    installed: [consumer],
    testsPath: tests,
    env: testsEnvironment(launched),
  });
  try {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<number>((resolve) => (timer = setTimeout(() => resolve(-1), limit)));
    const status = await Promise.race([code.testsExit, late]);
    clearTimeout(timer);
    if (status === -1) console.error(`The in-host tests did not end.\n${code.extensionHostLog()}`);
    return showReport(report);
  } finally {
    await code.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
