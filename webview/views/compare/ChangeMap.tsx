import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { ModelComparison } from '../../../src/protocol/compare';
import { ChangeMapChart } from '../../charts/ChangeMapChart';
import { changeMap } from '../../changeMap';
import { figure } from '../../format';

/** Tensors outside of layers that are named below the map. */
const named = 6;

/** How far tensors moved, by layer and role; a click shows one in detail. */
export function ChangeMap(props: { result: ModelComparison; choose: (tensor: string) => void }) {
  const { result, choose } = props;
  const map = useMemo(() => changeMap(result.tensors), [result]);
  const { layers, others } = map;
  const rest = others.length - named;
  return (
    <>
      {layers.length === 0 ? (
        <p class="muted">{l10n.t('No tensor that was measured has a layer in its name: see the table.')}</p>
      ) : (
        <ChangeMapChart map={map} choose={choose} />
      )}
      {others.length > 0 && (
        <p class="muted">
          {l10n.t(
            'Outside of layers: {0}',
            others
              .slice(0, named)
              .map(({ role, error }) => `${role} ${error === 0 ? l10n.t('equal') : figure(error, 3)}`)
              .join(', '),
          )}
          {rest > 0 && l10n.t(' and {0} more', rest.toLocaleString('en-US'))}.
        </p>
      )}
    </>
  );
}
