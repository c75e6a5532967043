import type { Certificate, CertificateRival } from './certificate';
import type { Interval } from './estimate';
import { chanceNote, sampleText, type Plan } from './plan';
import { size } from './words';

/** Whether a plan is recommended over the presets within its budget, and the figures behind it, as a sentence. */
export interface Verdict {
  /** True only where the plan is better, as measured, or as predicted for both from measurements of this model's output. */
  readonly recommended: boolean;
  readonly text: string;
}

/** Relative difference of predictions that tells nothing: gains over the usual number of tokens have a standard error of this size. */
const leastGain = 0.02;

/**
 * By what was measured of the plan as a whole, where it was; else by predictions. Undefined where there is nothing to compare the plan
 * with, or its error is not known.
 * @param noise of the measurement that the divergences come from: below it they are the same.
 */
export function verdictOf({ total, preset, gains, certificate }: Plan, noise = 0): Verdict | undefined {
  const untrained = gains && chanceNote(gains);
  if (untrained !== undefined) return { recommended: false, text: untrained };
  if (certificate) return certifiedVerdict(certificate);
  if (!preset) return undefined;
  const name = `${preset.fileType} (${size(preset.fileBytes ?? preset.bytes)})`;
  const [ours, theirs] = [total.divergence, preset.divergence];
  if (ours !== undefined && theirs !== undefined) {
    if (Math.max(ours, theirs) < noise)
      return {
        recommended: false,
        text: `${name} is predicted as good: both KL divergences are below the noise of the measurement.`,
      };
    const figures = `KL divergence ${shortFigure(ours)} against ${shortFigure(theirs)} nats per token`;
    if (ours < theirs && ours >= theirs * (1 - leastGain))
      return {
        recommended: false,
        text: `${name} is predicted as good: ${figures}, which is less than predictions tell apart. There is no gain to expect.`,
      };
    if (ours < theirs && gains?.model !== undefined)
      return {
        recommended: false,
        text: `Predicted better than ${name} by the gains of another model (${gains.model}): ${figures}. Measure both with quantscope certify.`,
      };
    if (ours < theirs && gains?.sample)
      return {
        recommended: false,
        text: `Predicted better than ${name} by gains ${sampleText(gains.sample)}: ${figures}. Measure both with quantscope certify.`,
      };
    if (ours < theirs) return { recommended: true, text: `Predicted better than ${name}: ${figures}.` };
    const rank = ours === theirs ? 'as good' : 'better';
    return { recommended: false, text: `${name} is predicted ${rank} at this size: ${figures}.` };
  }
  if (total.roleError === undefined) return undefined;
  const figures = `weighted error ${shortFigure(total.roleError)} against ${shortFigure(preset.roleError)} of ${name}`;
  return {
    recommended: false,
    text: `By the errors of the weights and the roles of tensors: ${figures}. The effect on the output was not measured; compare both with an evaluation.`,
  };
}

/**
 * A plan is recommended where the intervals show that it is better than each preset within its budget and a given file, and than the random
 * assignment.
 */
function certifiedVerdict({ text, measured, rivals }: Certificate): Verdict {
  const over = `KL divergence ${shortFigure(measured.mean.value)}`;
  const where = `measured over ${text.tokens.toLocaleString('en-US')} tokens of ${text.file}`;
  const reasons = rivals.filter(({ difference }) => !(difference.high < 0)).map(reasonAgainst);
  if (reasons.length > 0)
    return { recommended: false, text: `Not recommended (${over}, ${where}): ${reasons.join('; ')}.` };
  const named = rivals.filter(({ kind }) => kind !== 'random');
  if (named.length === 0)
    return {
      recommended: false,
      text: `${over}, ${where}: llama.cpp has no preset within the budget to compare the plan with.`,
    };
  const against = named.map((rival) => `${shortFigure(rival.measured.mean.value)} of ${nameOf(rival)}`);
  return {
    recommended: true,
    text: `Better than ${named.some(({ kind }) => kind === 'file') ? 'each of them' : 'the presets'}: ${over} against ${series(against)}, ${where}.`,
  };
}

function reasonAgainst(rival: CertificateRival): string {
  const { difference, kind } = rival;
  const figures = `the difference is ${intervalText(difference)} nats per token`;
  const advice = kind === 'random' ? '' : `, so use ${rival.name}`;
  if (difference.low > 0) return `${nameOf(rival)} is better: ${figures}${advice}`;
  return `it is not shown to be better than ${nameOf(rival)}: ${figures}${advice}`;
}

/** "a, b and c". */
const series = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** "Q4_K_M with optimised codes (3.18 MB)". */
const nameOf = ({ kind, name, codes, fileBytes }: CertificateRival): string =>
  kind === 'random'
    ? `a random assignment of ${size(fileBytes)}`
    : `${name}${codes === 'optimised' ? ' with optimised codes' : ''} (${size(fileBytes)})`;

/** "−0.00063 (−0.00071 to −0.00055)". */
export const intervalText = ({ value, low, high }: Interval): string =>
  `${shortFigure(value)} (${shortFigure(low)} to ${shortFigure(high)})`;

const shortFigure = (value: number): string => Number(value.toPrecision(3)).toString().replace('-', '−');
