import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** The test files, in the order in which they run: later ones find what earlier ones have opened. */
const files: Readonly<Record<string, () => Promise<unknown>>> = {
  hovers: () => import('./hovers.test'),
  codeLens: () => import('./codeLens.test'),
  extension: () => import('./extension.test'),
  languageModelTools: () => import('./languageModelTools.test'),
  doctor: () => import('./doctor.test'),
  api: () => import('./api.test'),
  chat: () => import('./chat.test'),
  workbench: () => import('./workbench.test'),
  planLanguage: () => import('./planLanguage.test'),
  comparePlans: () => import('./comparePlans.test'),
};

/** What the extension host calls: runs every suite and leaves the results where the launcher reads them. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: 300_000 });
  mocha.suite.emit('pre-require', globalThis, 'in-host tests', mocha);
  const words = (process.env['QUANTSCOPE_HOST_FILES'] ?? '').split(' ').filter(Boolean);
  for (const [name, load] of Object.entries(files))
    if (words.length === 0 || words.some((word) => name.includes(word))) await load();
  const tests: { title: string; error?: string }[] = [];
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    runner.on('pass', (test) => tests.push({ title: test.fullTitle() }));
    runner.on('fail', (test, error: Error) =>
      tests.push({ title: test.fullTitle(), error: error.stack ?? error.message }),
    );
  });
  const report = process.env['QUANTSCOPE_HOST_REPORT'];
  if (report === undefined) throw new Error('QUANTSCOPE_HOST_REPORT is not set.');
  writeFileSync(
    report,
    JSON.stringify({ numPassedTests: tests.length - failures, numFailedTests: failures, tests }),
  );
  if (failures > 0) throw new Error(`${failures} in-host tests failed.`);
}
