import * as l10n from '@vscode/l10n';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { Histogram } from '../../../src/protocol/analysis';
import { biasSentence, type MethodResult } from '../../../src/protocol/methods';
import type { MethodDescription, MethodOptions } from '../../../src/protocol/recipe';
import { size, timeTaken } from '../../../src/protocol/words';
import { ErrorMapChart } from '../../charts/ErrorMapChart';
import { HistogramChart } from '../../charts/HistogramChart';
import { useApp } from '../../context';
import { Loading } from '../../controls';
import { bits, decibels, figure, fixed } from '../../format';
import type { LensLine } from '../../lensRecipes';
import { optionsText } from '../../methodOptions';
import { useAnswer } from '../../useAnswer';
import { Figure } from '../Figure';
import { LensActions } from './LensActions';
import { Failed } from '../states';

interface Props {
  readonly tensor: string;
  readonly line: LensLine & { readonly result: MethodResult };
  readonly histogram: Histogram;
  readonly method: MethodDescription;
  /** Options that differ from the method's defaults. */
  readonly options: MethodOptions;
  /** What results depend on besides: the revision of the files, the evidence. */
  readonly basis: string;
  /** The type that the plan gives the tensor. */
  readonly planned: string | undefined;
  /** Whether recipes are still measured. */
  readonly isBusy: boolean;
}

/** A recipe in detail: all figures, weights before and after, where they change, and what can be done with it. */
export function LensDetail(props: Props) {
  const { tensor, line, histogram, method, options, planned } = props;
  const { result, grid, label } = line;
  const { error, outputError, bias } = result;
  return (
    <section class="lens-detail" aria-label={l10n.t('{0} by {1}', grid, method.label)}>
      <h3>{l10n.t('{0} by {1}', label, method.label)}</h3>
      <p class="muted">
        {method.description}
        {Object.keys(options).length > 0 && l10n.t(' With {0}.', optionsText(options))}
      </p>
      <dl class="totals">
        <Figure name={l10n.t('size')} value={size(result.bytes)} />
        <Figure name={l10n.t('bits per weight')} value={bits(result.bitsPerWeight)} />
        <Figure name={l10n.t('relative error')} value={figure(error.relativeError, 4)} />
        <Figure name={l10n.t('SQNR')} value={decibels(error.relativeSquaredError, 2)} />
        {outputError !== undefined && (
          <Figure name={l10n.t('SQNR of outputs')} value={decibels(outputError, 2)} />
        )}
        <Figure name={l10n.t('cosine')} value={fixed(error.cosine, 6)} />
        <Figure name={l10n.t('largest error')} value={figure(error.maxError, 3)} />
        <Figure name={l10n.t('evidence')} value={evidenceWords[result.evidence]} />
        <Figure name={l10n.t('time')} value={timeTaken(result.seconds)} />
      </dl>
      {bias && <p class="muted bias">{biasSentence(bias)}</p>}
      <LensActions {...{ tensor, line, options, planned }} />
      <div class="lens-charts">
        <HistogramChart
          title={l10n.t('Before and after')}
          level={4}
          of={`${tensor}, ${line.id}`}
          before={histogram}
          after={result.histogram}
          afterName={grid}
        />
        <section>
          <Errors {...props} />
        </section>
      </div>
    </section>
  );
}

/** Tensors of more weights are mapped once their recipes are measured. */
const mostAtOnce = 2 ** 24;

/** The map of a recipe, which is computed when it is chosen. */
function Errors({ tensor, line: { grid, method }, histogram, options, basis, isBusy }: Props) {
  const { host } = useApp();
  const weights = histogram.counts.reduce((sum, count) => sum + count, 0);
  const waits = isBusy && weights > mostAtOnce;
  const key = waits ? undefined : JSON.stringify([basis, tensor, grid, method, options]);
  const { value, failure } = useAnswer(key, (signal) =>
    host.call('errorMap', { tensor, grid, method, options }, { signal }),
  );
  if (failure !== undefined) return <Failed message={failure} />;
  if (!value)
    return (
      <Loading>
        {waits ? l10n.t('After the recipes are measured…') : l10n.t('Comparing weight by weight…')}
      </Loading>
    );
  return <ErrorMapChart map={value} of={`${tensor}, ${grid} ${method}`} what={l10n.t('the change')} />;
}
