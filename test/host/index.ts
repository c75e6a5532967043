import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What the extension host calls: runs every suite and leaves the results where the launcher reads them. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000 });
  mocha.suite.emit('pre-require', globalThis, 'in-host tests', mocha);
  await import('./hovers.test');
  await import('./codeLens.test');
  await import('./extension.test');
  await import('./languageModelTools.test');
  await import('./doctor.test');
  await import('./api.test');
  await import('./chat.test');
  await import('./workbench.test');
  await import('./planLanguage.test');
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
