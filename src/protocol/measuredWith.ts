import { fewBitsFormat } from './fewBits';
import { sampleText, type GainsSource } from './gains';
import type { SensitivityTable, UsedCodes, UsedImatrix } from './plan';
import { inLanguage, said } from './said';

/** What figures were measured with: those of a table, or those of a plan. */
export interface MeasuredWith {
  readonly imatrix?: UsedImatrix;
  readonly codes?: UsedCodes;
  readonly roundsActivations?: true;
  readonly gains?: UsedGains;
}

export type UsedGains = Pick<GainsSource, 'text' | 'hash' | 'tokens' | 'by' | 'fewBits' | 'model' | 'sample'>;

/** Of a table. */
export function measuredWith({
  imatrix,
  codes,
  roundsActivations,
  gainsFrom,
}: Pick<SensitivityTable, 'imatrix' | 'codes' | 'roundsActivations' | 'gainsFrom'>): MeasuredWith {
  return {
    ...(imatrix ? { imatrix } : {}),
    ...(codes ? { codes } : {}),
    ...(roundsActivations ? { roundsActivations } : {}),
    ...(gainsFrom ? { gains: gainsFrom } : {}),
  };
}

/** One of the things that figures depend on. */
interface Facet {
  /** The same for the same measurement. */
  readonly key: (of: MeasuredWith) => unknown;
  /** As part of a sentence. */
  readonly text: (of: MeasuredWith) => string;
}

const facets: readonly Facet[] = [
  {
    key: ({ codes }) => codes && [codes.method, codes.hash, codes.tokens, codes.objective],
    text: ({ codes }) => (codes ? codesText(codes) : inLanguage(said`the codes of llama.cpp`)),
  },
  {
    key: ({ imatrix }) => imatrix?.hash,
    text: ({ imatrix }) =>
      imatrix
        ? inLanguage(said`the importance matrix ${imatrix.file}`)
        : inLanguage(said`no importance matrix`),
  },
  {
    // Of codes of llama.cpp no errors include the rounding.
    key: ({ codes, roundsActivations }) => codes && roundsActivations === true,
    text: ({ roundsActivations }) =>
      roundsActivations
        ? inLanguage(said`errors with the rounding of activations (backend cpu)`)
        : inLanguage(said`errors without the rounding of activations (backend gpu)`),
  },
  {
    key: ({ gains }) => gains && [gains.hash, gains.tokens, gains.by, gains.model, gains.sample?.measured],
    text: ({ gains }) => (gains ? gainsText(gains) : inLanguage(said`no gains`)),
  },
];

/** "optimised codes (gptq-cd 2 over 12,288 tokens of a.txt, two-sided)". */
export const codesText = ({ method, text, tokens, objective }: UsedCodes): string =>
  inLanguage(
    said`optimised codes (${method} over ${tokens.toLocaleString('en-US')} tokens of ${text}, ${objective})`,
  );

/** "gains over 2,048 tokens of a.txt, by the curvature". */
function gainsText({ text, tokens, by, fewBits, model, sample }: UsedGains): string {
  const details = [
    ...(fewBits ? [inLanguage(said`in ${fewBitsFormat}`)] : []),
    ...(by ? [inLanguage(said`by the curvature`)] : []),
    ...(model === undefined ? [] : [inLanguage(said`of the model ${model}`)]),
    ...(sample ? [sampleText(sample)] : []),
  ];
  const over = inLanguage(
    said`gains over ${tokens.toLocaleString('en-US')} tokens of ${text.replace(/^.*[\\/]/, '')}`,
  );
  return [over, ...details].join(', ');
}

/** What there is of codes, importance and gains, joined; empty for errors of the weights alone. */
export function measuredWithText(of: MeasuredWith): string {
  const { codes, imatrix, gains } = of;
  return [
    ...(codes ? [codesText(codes)] : []),
    ...(imatrix ? [inLanguage(said`the importance matrix ${imatrix.file}`)] : []),
    ...(gains ? [gainsText(gains)] : []),
  ].join('; ');
}

/** How a plan was measured otherwise than the present measurements: "gains over 512 tokens of a.txt, now gains over 512 tokens of b.txt". */
export const differencesText = (plan: MeasuredWith, present: MeasuredWith): string[] =>
  facets
    .filter(({ key }) => {
      const [theirs, ours] = [key(plan), key(present)];
      return JSON.stringify(theirs) !== JSON.stringify(ours);
    })
    .map(({ text }) => inLanguage(said`${text(plan)}, now ${text(present)}`));
