import * as l10n from '@vscode/l10n';
import { PathField } from './fields';

/** The text that inputs of matrices are measured over. */
export function CalibrationTextField(props: {
  path: string;
  /** Shown when no file is chosen. */
  none: string;
  onChange: (path: string) => void;
}) {
  return (
    <PathField
      label={l10n.t('Calibration text')}
      flag={l10n.t(
        "UTF-8 text typical of the model's use: methods measure the inputs of each matrix over it",
      )}
      kind="text"
      {...props}
    />
  );
}
