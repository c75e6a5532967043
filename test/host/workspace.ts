import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a launcher gets: the project, the bundle of the tests, and where their results go. */
export interface Launch {
  readonly root: string;
  /** The folder of a second extension, which uses the API of the first. */
  readonly consumer: string;
  readonly tests: string;
  readonly report: string;
  /** Only test files whose names contain one of them are run; all where there are none. */
  readonly words: readonly string[];
}

/** What the extension host is told about the tests. */
export const testsEnvironment = ({ report, words }: Launch): Record<string, string> => ({
  QUANTSCOPE_HOST_REPORT: report,
  QUANTSCOPE_HOST_FILES: words.join(' '),
});

/** A workspace with the sample model, an index of it, and text that names its tensors. */
export function makeWorkspace(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-host-'));
  fillWorkspace(root, folder);
  return folder;
}

/** The same in a folder that may exist. */
export function fillWorkspace(root: string, folder: string): void {
  cpSync(join(root, 'samples', 'tiny-shakespeare-llama'), folder, { recursive: true });
  const name = 'model.layers.3.mlp.down_proj.weight';
  const index = {
    metadata: {},
    weight_map: { [name]: 'model.safetensors', 'lm_head.weight': 'model.safetensors' },
  };
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index, undefined, 2));
  writeFileSync(join(folder, 'look.py'), `w = state["${name}"]\nlayer = "model.layers.3.mlp.down_proj"\n`);
  writeFileSync(join(folder, 'recipe.yaml'), `skip:\n  - lm_head.weight\n  - not.a.tensor\n`);
}

/** Prints the results and returns the exit status. */
export function showReport(report: string): number {
  const { tests, numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as {
    tests: { title: string; error?: string }[];
    numPassedTests: number;
    numFailedTests: number;
  };
  for (const { title, error } of tests)
    console.log(error === undefined ? ` ✓ ${title}` : ` × ${title}\n   ${error}`);
  console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
  return numFailedTests === 0 && numPassedTests > 0 ? 0 : 1;
}
