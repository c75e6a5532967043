import { manifestPath, type Origin } from '../../files/digests/manifest';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { wrongValue, type Kinds } from '../job';
import { ownSettingKinds } from './export';

const recorded: Kinds = { ...ownSettingKinds, plan: 'record?', imatrix: 'record?', optimised: 'record?' };

const ofFiles: Readonly<Record<string, Kinds>> = {
  plan: { hash: 'string' },
  imatrix: { file: 'string', hash: 'string' },
  optimised: { method: 'string', objective: 'objective', text: 'string' },
};

/**
 * Checks the settings by which a list of digests says that a GGUF file was made.
 * @param file that the list belongs to.
 * @throws QuantscopeError MODEL_FILE naming the list, and the setting that is not one or has a value that it cannot have.
 */
export function checkRecordedSettings(settings: NonNullable<Origin['settings']>, file: string): void {
  const wrong =
    unknownKey(settings, recorded) ??
    wrongValue(settings, recorded) ??
    Object.entries(ofFiles)
      .map(([key, kinds]) => (isRecord(settings[key]) ? wrongValue(settings[key], kinds) : undefined))
      .find((message) => message !== undefined);
  if (wrong === undefined) return;
  throw new QuantscopeError(
    'MODEL_FILE',
    `The settings of the list of digests are not those of an export: ${wrong}`,
    {
      file: manifestPath(file),
    },
  );
}

function unknownKey(settings: Readonly<Record<string, unknown>>, known: Kinds): string | undefined {
  const key = Object.keys(settings).find((name) => !Object.hasOwn(known, name));
  return key === undefined ? undefined : `"${key}" is not a setting.`;
}
