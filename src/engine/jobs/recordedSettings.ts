import { manifestPath, type Origin } from '../../files/digests/manifest';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { wrongValue, type Kinds } from '../job';
import { convertSettingKinds } from './convert';
import { ownSettingKinds } from './export';
import { said } from '../../protocol/said';

/** What the lists of digests of files state, by what made them. */
const recorded = {
  gguf: { ...ownSettingKinds, plan: 'record?', imatrix: 'record?', optimised: 'record?' },
  convert: convertSettingKinds,
  mmproj: { type: 'mmprojType' },
} as const satisfies Readonly<Record<string, Kinds>>;

/** As the end of a sentence. */
const names: Readonly<Record<keyof typeof recorded, string>> = {
  gguf: 'an export',
  convert: 'a conversion',
  mmproj: 'an export of a vision part',
};

const ofFiles: Readonly<Record<string, Kinds>> = {
  plan: { hash: 'string' },
  imatrix: { file: 'string', hash: 'string' },
  optimised: { method: 'string', objective: 'objective', text: 'string' },
};

/**
 * Checks the settings by which a list of digests says that a file was made.
 * @param file that the list belongs to.
 * @throws QuantscopeError MODEL_FILE naming the list, and the setting that is not one or has a value that it cannot have.
 */
export function checkRecordedSettings(
  action: keyof typeof recorded,
  settings: NonNullable<Origin['settings']>,
  file: string,
): void {
  const wrong =
    unknownKey(settings, recorded[action]) ??
    wrongValue(settings, recorded[action]) ??
    Object.entries(ofFiles)
      .map(([key, kinds]) => (isRecord(settings[key]) ? wrongValue(settings[key], kinds) : undefined))
      .find((message) => message !== undefined);
  if (wrong === undefined) return;
  throw new QuantscopeError(
    'MODEL_FILE',
    said`The settings of the list of digests are not those of ${names[action]}: ${wrong}`,
    {
      file: manifestPath(file),
    },
  );
}

function unknownKey(settings: Readonly<Record<string, unknown>>, known: Kinds): string | undefined {
  const key = Object.keys(settings).find((name) => !Object.hasOwn(known, name));
  return key === undefined ? undefined : `"${key}" is not a setting.`;
}
