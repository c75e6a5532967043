import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { size } from '../../../src/protocol/words';
import { useApp, useAppState } from '../../context';
import { Loading } from '../../controls';
import { nameText, shapeText } from '../../format';
import { useAnswer } from '../../useAnswer';
import { Calibration } from './Calibration';
import { Recipes } from './Recipes';
import { Failed } from '../states';

/** The selected tensor by recipes: size, error, what each method knew, and what is missing. */
export function LensView() {
  const { host } = useApp();
  const { model, selected, revision } = useAppState();
  const tensor = model?.table.named(selected.at(-1));
  const [calibrations, setCalibrations] = useState(0);
  const { value, failure, retry } = useAnswer(`${revision} ${calibrations}`, (signal) =>
    host.call('methodChoices', {}, { signal }),
  );
  if (!tensor?.readable || tensor.elements === 0)
    return <p class="empty">{l10n.t('Select a tensor to see what each recipe makes of it.')}</p>;
  if (failure !== undefined) return <Failed message={failure} retry={retry} />;
  if (!value) return <Loading>{l10n.t('Reading what is known of the inputs…')}</Loading>;
  return (
    <div class="lens">
      <Head tensor={tensor} />
      <Calibration {...value} onDone={() => setCalibrations(calibrations + 1)} />
      <Recipes
        tensor={tensor.name}
        choices={value}
        basis={`${revision} ${JSON.stringify(value.evidence ?? null)}`}
      />
    </div>
  );
}

function Head({ tensor: { name, dtype, shape, byteLength } }: { tensor: TensorDescriptor }) {
  return (
    <>
      <h2>{nameText(name)}</h2>
      <p class="muted">
        {dtype} · {shapeText(shape)} · {size(byteLength)}
      </p>
    </>
  );
}
