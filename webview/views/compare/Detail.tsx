import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useState } from 'preact/hooks';
import type { ComparedTensor, OtherModel, TensorOverlay } from '../../../src/protocol/compare';
import type { EngineProgress } from '../../../src/protocol/engine';
import { ErrorMapChart } from '../../charts/ErrorMapChart';
import { HistogramChart } from '../../charts/HistogramChart';
import { useApp } from '../../context';
import { Loading } from '../../controls';
import { nameText, percentDone } from '../../format';
import { Failed } from '../states';
import { Spectrum } from './Spectrum';

/** A tensor of both models: both histograms overlaid, where it differs, and in how many directions. */
export function Detail(props: { tensor: string; other: OtherModel; compared: ComparedTensor }) {
  const { tensor, other, compared } = props;
  const { overlay, progress, failure } = useOverlay(tensor, other);
  const isMatrix = (compared.a?.shape ?? []).filter((size) => size > 1).length === 2;
  return (
    <section class="overlay" aria-label={l10n.t('{0} in detail', tensor)}>
      <h3>{nameText(tensor)}</h3>
      {failure !== undefined && <Failed message={failure} />}
      {!overlay && failure === undefined && (
        <Loading>{mixed(l10n.t('Reading both…{0}'), progress && ` ${percentDone(progress)} %`)}</Loading>
      )}
      {overlay && (
        <div class="overlay-charts">
          <HistogramChart
            level={4}
            of={tensor}
            before={overlay.histogramA}
            beforeName="A"
            after={overlay.histogramB}
            afterName="B"
          />
          <ErrorMapChart map={overlay.errorMap} of={tensor} />
        </div>
      )}
      {overlay && isMatrix && compared.status === 'different' && <Spectrum {...{ tensor, other }} />}
    </section>
  );
}

function useOverlay(tensor: string, other: OtherModel) {
  const { host } = useApp();
  const [overlay, setOverlay] = useState<TensorOverlay>();
  const [progress, setProgress] = useState<EngineProgress>();
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    const closing = new AbortController();
    const { signal } = closing;
    const onProgress = (step: EngineProgress): void => {
      if (!signal.aborted) setProgress(step);
    };
    host.call('overlay', { ...other, tensor }, { signal, onProgress }).then(
      (found) => !signal.aborted && setOverlay(found),
      (error: unknown) =>
        !signal.aborted && setFailure(error instanceof Error ? error.message : String(error)),
    );
    return () => closing.abort();
  }, [tensor, JSON.stringify(other)]);
  return { overlay, progress, failure };
}
