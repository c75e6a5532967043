import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../files/atomicFile';
import { makeFolder } from '../files/makeFolder';
import { isRecord } from '../model/json';
import type { Model } from '../model/model';
import { seal, unseal } from '../model/sealedJson';
import { objectives } from '../protocol/export';
import type { UsedCodes } from '../protocol/plan';
import type { Candidates } from './candidates';
import { resultsKey } from './sensitivity';

/**
 * The candidates with the codes that the latest run of the model measured with the same importance matrix, or without one: its results are
 * those that are shown before anything is measured.
 */
export async function latestCandidates(
  model: Pick<Model, 'description'>,
  candidates: Candidates,
  cacheDir: string,
): Promise<Candidates> {
  const text = await readFile(fileFor(model, candidates, cacheDir), 'utf8').catch(() => ''); // no run yet
  const value = unseal(text.trimEnd());
  return isRecord(value) && isCodes(value['codes']) ? { ...candidates, codes: value['codes'] } : candidates;
}

/** Keeps which codes a run measures with. @throws Error of the file system. */
export async function keepLatestCodes(
  model: Pick<Model, 'description'>,
  candidates: Candidates,
  cacheDir: string,
): Promise<void> {
  const { codes } = candidates;
  const line = `${seal(codes ? { codes } : {})}\n`;
  await makeFolder(cacheDir);
  await writeAtomically(fileFor(model, candidates, cacheDir), (file) => file.write(Buffer.from(line)));
}

const fileFor = (model: Pick<Model, 'description'>, { imatrix }: Candidates, cacheDir: string): string =>
  join(cacheDir, `${resultsKey(model, imatrix ? { imatrix } : {})}.latest.json`);

const isCodes = (value: unknown): value is UsedCodes =>
  isRecord(value) &&
  [value['method'], value['text'], value['hash']].every((item) => typeof item === 'string') &&
  typeof value['tokens'] === 'number' &&
  objectives.some((known) => known === value['objective']);
