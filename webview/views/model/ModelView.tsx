import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import { useApp, useAppState } from '../../context';
import { placedTensors } from '../../../src/protocol/parts';
import { useAnswer } from '../../useAnswer';
import { MetadataView } from '../MetadataView';
import { BlockDiagram } from './BlockDiagram';
import { Bytes } from './Bytes';
import { Findings } from './Findings';
import { Fits } from './Fits';
import { Identity } from './Identity';
import { LayerFigures } from './LayerFigures';

/** What the model is: numbers, one block, where the bytes are, and what its files say of it. */
export function ModelView() {
  const { host } = useApp();
  const { model, opening } = useAppState();
  const overview = useAnswer(`${opening}`, (signal) => host.call('overview', {}, { signal }));
  const table = model?.table;
  const placed = useMemo(() => (table ? placedTensors(table) : []), [table]);
  if (!model || !table) return null;
  return (
    <div class="model-page">
      <Identity overview={overview} />
      <BlockDiagram {...{ table, placed }} hasRope={overview.value?.ropeBase !== undefined} />
      <Bytes placed={placed} />
      <Fits />
      <LayerFigures {...{ table, placed }} />
      <Findings {...{ model, table }} />
      <section class="card wide" aria-labelledby="model-metadata">
        <h3 id="model-metadata">{l10n.t('Metadata')}</h3>
        <MetadataView />
      </section>
    </div>
  );
}
