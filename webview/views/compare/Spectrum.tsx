import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { OtherModel } from '../../../src/protocol/compare';
import type { EngineProgress } from '../../../src/protocol/engine';
import { relativeChange, spectrumSentence, type ChangeSpectrum } from '../../../src/protocol/spectrum';
import { SpectrumChart } from '../../charts/SpectrumChart';
import { useApp } from '../../context';
import { Button, Spinner } from '../../controls';
import { figure, percent } from '../../format';
import { Figure } from '../Figure';
import { Failed } from '../states';

/** Singular values of the difference, computed when they are asked for. */
export function Spectrum({ tensor, other }: { tensor: string; other: OtherModel }) {
  const { run, spectrum, progress, failure } = useSpectrum(tensor, other);
  if (spectrum) return <Found spectrum={spectrum} />;
  return (
    <div class="measure">
      <Button disabled={progress !== undefined} onClick={run}>
        {l10n.t('Singular Values of the Difference')}
      </Button>
      {progress && (
        <span class="going" role="status">
          {mixed(
            l10n.t('{0} pass {1} of {2}'),
            <Spinner />,
            Math.min(progress.done + 1, progress.total),
            progress.total,
          )}
        </span>
      )}
      {!progress && failure === undefined && (
        <span class="muted">{l10n.t('Is it of low rank, as a merged LoRA?')}</span>
      )}
      {failure !== undefined && <Failed message={failure} />}
    </div>
  );
}

function Found({ spectrum }: { spectrum: ChangeSpectrum }) {
  const { kind, rank, shares, rows, columns, name } = spectrum;
  const isUseful = (count: number): boolean => count <= Math.min(rows, columns);
  return (
    <section class="spectrum" aria-label={l10n.t('Singular values of the difference of {0}', name)}>
      <SpectrumChart spectrum={spectrum} description={spectrumSentence(spectrum)} />
      <dl class="totals">
        <Figure name="‖B − A‖ / ‖A‖" value={figure(relativeChange(spectrum))} />
        <Figure name={l10n.t('rank')} value={kind === 'full' ? `≥ ${rank}` : String(rank)} />
        {shares
          .filter(({ count }) => isUseful(count))
          .map(({ count, share }) => (
            <Figure
              key={count}
              name={count === 1 ? l10n.t('in the first') : l10n.t('in the first {0}', count)}
              value={percent(share)}
            />
          ))}
      </dl>
    </section>
  );
}

function useSpectrum(tensor: string, other: OtherModel) {
  const { host } = useApp();
  const [spectrum, setSpectrum] = useState<ChangeSpectrum>();
  const [progress, setProgress] = useState<EngineProgress>();
  const [failure, setFailure] = useState<string>();
  const closing = useRef(new AbortController());
  useEffect(() => () => closing.current.abort(), []);
  const run = (): void => {
    const { signal } = closing.current;
    setFailure(undefined);
    setProgress({ message: tensor, done: 0, total: 4 });
    host
      .call(
        'spectrum',
        { ...other, tensor },
        { signal, onProgress: (step) => !signal.aborted && setProgress(step) },
      )
      .then(
        (found) => !signal.aborted && setSpectrum(found),
        (error: unknown) =>
          !signal.aborted && setFailure(error instanceof Error ? error.message : String(error)),
      )
      .finally(() => !signal.aborted && setProgress(undefined));
  };
  return { run, spectrum, progress, failure };
}
