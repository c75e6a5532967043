import { QuantscopeError } from '../model/errors';
import { maxFindings, type DoctorFinding, type DoctorResult } from '../protocol/doctor';
import type { EngineProgress } from '../protocol/engine';
import { said } from '../protocol/said';
import type { CheckContext, Fix, Found } from './check';
import { checks } from './checks';
import { codes, isCode, readsWeights, type Code } from './codes';
import { applyFixes } from './fixes/applyFixes';
import type { Patient } from './patient';
import { TextPlaces } from './places';

export interface ExamineOptions {
  /** Codes that are looked for; all where it is absent. */
  readonly only?: readonly Code[] | undefined;
  readonly headersOnly?: boolean | undefined;
  readonly fix?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Examines a model: headers and small files first, then its weights, a slab at a time. With `fix`, files of settings are changed where a fix is
 * known, each atomically; weights are never written.
 * @throws QuantscopeError IO; CANCELLED. What is wrong with the model is in the result.
 */
export async function examine(patient: Patient, options: ExamineOptions = {}): Promise<DoctorResult> {
  const { only, headersOnly, fix, signal, onProgress } = options;
  const start = performance.now();
  const isWanted = (code: Code): boolean =>
    (only ? only.includes(code) : true) && !(headersOnly && readsWeights(code));
  const found: Found[] = [];
  let [checkedBytes, omitted] = [0, 0];
  const total = patient.model?.description.dataBytes ?? 0;
  const context: CheckContext = {
    signal,
    report(finding) {
      if (!isWanted(finding.code)) return;
      if (found.length < maxFindings) found.push(finding);
      else omitted += 1;
    },
    onBytes(tensor, bytes) {
      checkedBytes += bytes;
      onProgress?.({ message: tensor, done: checkedBytes, total, unit: 'bytes' });
    },
  };
  const wanted = checks.filter((check) => check.codes.some(isWanted));
  for (const check of wanted) await check.run(patient, context);
  const fixes = fix ? distinct(found.flatMap(({ change }) => change ?? [])) : [];
  await applyFixes(fixes, patient);
  const written = [...new Set(fixes.map(({ file }) => file))];
  const places = new TextPlaces();
  return {
    path: patient.path,
    findings: await Promise.all(found.map((finding) => stated(finding, places, fix === true))),
    ...{ omitted, checkedBytes, written },
    notes: patient.problem
      ? [said`The model cannot be opened, so only this was checked.`]
      : headersOnly
        ? [said`Weights were not read.`]
        : [],
    seconds: (performance.now() - start) / 1000,
  };
}

/** Several findings may have the same fix. */
const distinct = (fixes: readonly Fix[]): Fix[] => [
  ...new Map(fixes.map((fix) => [`${fix.file}\n${fix.description}`, fix])).values(),
];

async function stated(
  { change, ...found }: Found,
  places: TextPlaces,
  isFixed: boolean,
): Promise<DoctorFinding> {
  const place = await places.of(found);
  return {
    ...found,
    severity: codes[found.code].severity,
    ...(place ? { place } : {}),
    ...(readsWeights(found.code) ? { weights: true } : {}),
    ...(change ? { fix: change.description, ...(isFixed ? { fixed: true } : {}) } : {}),
  };
}

/** @throws QuantscopeError REQUEST naming a code that does not exist. */
export function knownCodes(given: readonly string[]): Code[] {
  return given.map((code) => {
    if (isCode(code)) return code;
    throw new QuantscopeError(
      'REQUEST',
      said`There is no code "${code}". Codes are: ${Object.keys(codes).join(', ')}.`,
    );
  });
}
