import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import { useAppState, useAsk } from '../context';
import { Button, Loading } from '../controls';
import { nameText, percentDone, shapeText } from '../format';
import { useAnalysis, type AnalysisView as View } from '../useAnalysis';
import type { TensorDescriptor } from '../../src/protocol/model';
import { isStoredQuantized } from '../../src/protocol/ggmlTypes';
import { size } from '../../src/protocol/words';
import { tensorSummary } from '../tensorSummary';
import { Analysis } from './Analysis';
import { TensorDamage } from './Damage';
import { Menu } from './Menu';
import { StoredWeight } from './stored/StoredWeight';
import { Failed } from './states';

/** The selected tensor: statistics, histogram, outlier map, values. */
export function TensorView() {
  const ask = useAsk();
  const { model, selected } = useAppState();
  const name = selected[selected.length - 1];
  const tensor = model?.table.named(name);
  const view = useAnalysis(tensor);
  if (!tensor) return <p class="empty">{l10n.t('Select a tensor to see its contents.')}</p>;
  return (
    <>
      <div class="title">
        <h2>{nameText(tensor.name)}</h2>
        <span class="measure">
          <Button disabled={!tensor.readable} onClick={() => void ask('quantize', { tensors: selected })}>
            {selected.length > 1
              ? l10n.t('Quantize {0} Layers…', selected.length)
              : l10n.t('Quantize Layer…')}
          </Button>
          <Menu
            label={l10n.t('More about this tensor')}
            items={[
              {
                label: l10n.t('Copy Summary as Markdown'),
                run: () => {
                  const analysis = view.kind === 'done' ? view.analysis : undefined;
                  void ask('copyText', { text: tensorSummary(model?.name ?? '', tensor, analysis) });
                },
              },
            ]}
          />
        </span>
      </div>
      <p class="muted">
        {l10n.t(
          '{0} · {1} · {2} · {3} from byte {4}',
          tensor.dtype,
          shapeText(tensor.shape),
          size(tensor.byteLength),
          tensor.file.replace(/^.*[\\/]/, ''),
          tensor.offset.toLocaleString('en-US'),
        )}
        {tensor.strides && l10n.t(' · stored in another order (strides {0})', tensor.strides.join(', '))}
      </p>
      <TensorDamage tensor={tensor} />
      {!tensor.readable && <p class="notice warning">{tensor.unreadableReason}</p>}
      <AnalysisView view={view} tensor={tensor} />
      {isStoredQuantized(tensor) && view.kind === 'done' && (
        <StoredWeight key={tensor.name} tensor={tensor.name} rows={view.analysis.outliers.rows} />
      )}
    </>
  );
}

function AnalysisView({ view, tensor }: { view: View; tensor: TensorDescriptor }) {
  switch (view.kind) {
    case 'none':
      return null;
    case 'asks':
      return <Button onClick={view.start}>{l10n.t('Analyse ({0})', size(tensor.byteLength))}</Button>;
    case 'reading':
      return (
        <div aria-busy="true">
          <Loading>
            {mixed(l10n.t('Reading the tensor…{0}'), view.progress && ` ${percentDone(view.progress)} %`)}
          </Loading>
          <Skeleton />
        </div>
      );
    case 'done':
      return <Analysis analysis={view.analysis} tensor={tensor} />;
    case 'failed':
      return <Failed message={view.message} retry={view.start} />;
  }
}

/** Where figures, histogram and map will be. */
function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      <div class="statistic-groups">
        <i />
        <i />
        <i />
      </div>
      <i class="chart-place" />
      <i class="chart-place" />
    </div>
  );
}
