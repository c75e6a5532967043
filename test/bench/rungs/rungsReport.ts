import type { Estimate } from '../../../src/protocol/estimate';
import { table } from '../document';
import type { MeasuredModel } from './measureModel';

const figure = ({ value, standardError }: Estimate): string =>
  `${value.toPrecision(3)} ± ${standardError.toPrecision(1)}`;

/** A row for each rung, a column for each size. */
export const rungsTable = ({ sizes, plans }: MeasuredModel): string =>
  table(
    [
      'Plan by',
      'Codes',
      ...sizes.map(({ type, bytes }) => `${type}, ${bytes.toLocaleString('en-US')} bytes`),
    ],
    plans.map(({ name, codes, divergences }) => [name, codes, ...divergences.map(figure)]),
  );

/** Every matrix in one type. */
export const codesTable = ({ types }: MeasuredModel): string =>
  table(
    [
      'Every matrix in',
      'llama.cpp',
      'llama.cpp, importance matrix',
      'Optimised',
      'Optimised / better of both',
    ],
    types.map(({ type, reference, weighted, optimised }) => [
      type,
      reference ? figure(reference) : '',
      figure(weighted),
      figure(optimised),
      (optimised.value / Math.min(weighted.value, reference?.value ?? Infinity)).toFixed(2),
    ]),
  );
