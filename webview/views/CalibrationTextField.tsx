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
      label="Calibration text"
      flag="UTF-8 text typical of the model's use: methods measure the inputs of each matrix over it"
      kind="text"
      {...props}
    />
  );
}
