import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { llamaCppPackageDir } from '../support/llamaCpp';

/** The machine that a benchmark ran on. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${model}, ${availableParallelism()} logical cores, ${process.platform}-${process.arch}; Node ${process.versions.node}`;
}

export const llamaCppVersion = (): string => packageVersion(llamaCppPackageDir());

/** Version of an installed package by its folder. */
export function packageVersion(folder: string): string {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
