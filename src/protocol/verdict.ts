import * as l10n from '@vscode/l10n';
import type { Certificate, CertificateRival } from './certificate';
import type { Interval } from './estimate';
import { chanceNote, sampleText } from './gains';
import type { Plan } from './plan';
import { size } from './words';
import { inLanguage } from './said';

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
  if (untrained !== undefined) return notRecommended(inLanguage(untrained));
  if (certificate) return certifiedVerdict(certificate);
  if (!preset) return undefined;
  const name = `${preset.fileType} (${size(preset.fileBytes ?? preset.bytes)})`;
  if (total.divergence !== undefined && preset.divergence !== undefined)
    return predictedVerdict(name, [total.divergence, preset.divergence], gains, noise);
  return total.roleError === undefined
    ? undefined
    : unmeasuredVerdict(name, total.roleError, preset.roleError);
}

const notRecommended = (text: string): Verdict => ({ recommended: false, text });

/** By the predicted divergences of the plan and of a preset. */
function predictedVerdict(
  name: string,
  [ours, theirs]: readonly [number, number],
  gains: Plan['gains'],
  noise: number,
): Verdict {
  if (Math.max(ours, theirs) < noise)
    return notRecommended(
      l10n.t('{0} is predicted as good: both KL divergences are below the noise of the measurement.', name),
    );
  const figures = l10n.t(
    'KL divergence {0} against {1} nats per token',
    shortFigure(ours),
    shortFigure(theirs),
  );
  if (ours === theirs)
    return notRecommended(l10n.t('{0} is predicted as good at this size: {1}.', name, figures));
  if (!(ours < theirs))
    return notRecommended(l10n.t('{0} is predicted better at this size: {1}.', name, figures));
  if (ours >= theirs * (1 - leastGain))
    return notRecommended(
      l10n.t(
        '{0} is predicted as good: {1}, which is less than predictions tell apart. There is no gain to expect.',
        name,
        figures,
      ),
    );
  if (gains?.model !== undefined)
    return notRecommended(
      l10n.t(
        'Predicted better than {0} by the gains of another model ({1}): {2}. Measure both with quantscope certify.',
        name,
        gains.model,
        figures,
      ),
    );
  if (gains?.sample)
    return notRecommended(
      l10n.t(
        'Predicted better than {0} by gains {1}: {2}. Measure both with quantscope certify.',
        name,
        sampleText(gains.sample),
        figures,
      ),
    );
  return { recommended: true, text: l10n.t('Predicted better than {0}: {1}.', name, figures) };
}

/** By the errors of weights alone, which are no reason to recommend a plan. */
function unmeasuredVerdict(name: string, ours: number, theirs: number): Verdict {
  const figures = l10n.t(
    'weighted error {0} against {1} of {2}',
    shortFigure(ours),
    shortFigure(theirs),
    name,
  );
  return notRecommended(
    l10n.t(
      'By the errors of the weights and the roles of tensors: {0}. The effect on the output was not measured; compare both with an evaluation.',
      figures,
    ),
  );
}

/**
 * A plan is recommended where the intervals show that it is better than each preset within its budget and a given file, and than the random
 * assignment.
 */
function certifiedVerdict({ text, measured, rivals }: Certificate): Verdict {
  const over = l10n.t('KL divergence {0}', shortFigure(measured.mean.value));
  const where = l10n.t('measured over {0} tokens of {1}', text.tokens.toLocaleString('en-US'), text.file);
  const reasons = rivals.filter(({ difference }) => !(difference.high < 0)).map(reasonAgainst);
  if (reasons.length > 0)
    return notRecommended(l10n.t('Not recommended ({0}, {1}): {2}.', over, where, reasons.join('; ')));
  const named = rivals.filter(({ kind }) => kind !== 'random');
  if (named.length === 0)
    return notRecommended(
      l10n.t('{0}, {1}: llama.cpp has no preset within the budget to compare the plan with.', over, where),
    );
  const against = named.map((rival) =>
    l10n.t('{0} of {1}', shortFigure(rival.measured.mean.value), nameOf(rival)),
  );
  return {
    recommended: true,
    text: l10n.t(
      'Better than {0}: {1} against {2}, {3}.',
      named.some(({ kind }) => kind === 'file') ? l10n.t('each of them') : l10n.t('the presets'),
      over,
      series(against),
      where,
    ),
  };
}

function reasonAgainst(rival: CertificateRival): string {
  const { difference, kind } = rival;
  const figures = l10n.t('the difference is {0} nats per token', intervalText(difference));
  const advice = kind === 'random' ? '' : l10n.t(', so use {0}', rival.name);
  if (difference.low > 0) return l10n.t('{0} is better: {1}{2}', nameOf(rival), figures, advice);
  return l10n.t('it is not shown to be better than {0}: {1}{2}', nameOf(rival), figures, advice);
}

/** "a, b and c". */
const series = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : l10n.t('{0} and {1}', items.slice(0, -1).join(', '), items.at(-1)!);

/** "Q4_K_M with optimised codes (3.18 MB)". */
const nameOf = ({ kind, name, codes, fileBytes }: CertificateRival): string =>
  kind === 'random'
    ? l10n.t('a random assignment of {0}', size(fileBytes))
    : `${name}${codes === 'optimised' ? l10n.t(' with optimised codes') : ''} (${size(fileBytes)})`;

/** "−0.00063 (−0.00071 to −0.00055)". */
export const intervalText = ({ value, low, high }: Interval): string =>
  l10n.t('{0} ({1} to {2})', shortFigure(value), shortFigure(low), shortFigure(high));

const shortFigure = (value: number): string => Number(value.toPrecision(3)).toString().replace('-', '−');
