import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder of one run of the tests, in which its files share what they build; absent where sources may change meanwhile. */
    readonly runFolder?: string;
  }
}

let folder: string | undefined;

/** Called by Vitest once before the files of a project run. */
export function setup({ config, provide }: TestProject): void {
  if (config.watch) return;
  folder = mkdtempSync(join(tmpdir(), 'quantscope-run-'));
  provide('runFolder', folder);
}

/** Called once after them. */
export function teardown(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
