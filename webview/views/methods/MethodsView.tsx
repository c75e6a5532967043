import { useState } from 'preact/hooks';
import type { MethodChoices } from '../../../src/protocol/methods';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { size } from '../../../src/protocol/words';
import { useApp, useAppState } from '../../context';
import { Button, Loading } from '../../controls';
import { nameText, shapeText } from '../../format';
import { useAnswer } from '../../useAnswer';
import { useMethodOptions } from '../../useMethodOptions';
import { useMethodRows } from '../../useMethodRows';
import { usePersistent } from '../../usePersistent';
import { Calibration } from './Calibration';
import { GridEditor } from './GridEditor';
import { MethodDetail } from './MethodDetail';
import { MethodOptions } from './MethodOptions';
import { MethodTable, type Place } from './MethodTable';

/** The selected matrix in grids by methods: error and size, what each method knew, and what is missing. */
export function MethodsView() {
  const { host } = useApp();
  const { model, selected, revision } = useAppState();
  const name = selected.at(-1);
  const tensor = model?.table.named(name);
  const [calibrations, setCalibrations] = useState(0);
  const { value, failure, retry } = useAnswer(`${revision} ${calibrations}`, (signal) =>
    host.call('methodChoices', {}, { signal }),
  );
  if (!tensor || tensor.shape.length < 2 || !tensor.readable)
    return <p class="empty">Select a matrix to see what each method makes of it in each grid.</p>;
  if (failure !== undefined)
    return (
      <p class="notice error" role="alert">
        {failure} <Button onClick={retry}>Retry</Button>
      </p>
    );
  if (!value) return <Loading>Reading what is known of the inputs…</Loading>;
  return (
    <>
      <h2>{nameText(tensor.name)}</h2>
      <p class="muted">
        {tensor.dtype} · {shapeText(tensor.shape)} · {size(tensor.byteLength)}
      </p>
      <Calibration {...value} onDone={() => setCalibrations(calibrations + 1)} />
      <Comparison
        tensor={tensor}
        choices={value}
        basis={`${revision} ${JSON.stringify(value.evidence ?? null)}`}
      />
    </>
  );
}

function Comparison(props: { tensor: TensorDescriptor; choices: MethodChoices; basis: string }) {
  const { tensor, choices, basis } = props;
  const { methods } = choices;
  const [grids, setGrids] = usePersistent('methods.grids', choices.usual);
  const [chosen, choose] = useState<Place>();
  const settings = useMethodOptions(methods);
  const { options } = settings;
  const ids = methods.map(({ id }) => id);
  const states = useMethodRows({ tensor: tensor.name, grids, methods: ids, options, basis });
  const add = (grid: string): void => {
    if (!grids.includes(grid)) setGrids([...grids, grid]);
  };
  const remove = (grid: string): void => setGrids(grids.filter((other) => other !== grid));
  const row = states.find(({ name }) => name === chosen?.grid)?.row;
  const cell = row?.cells.find(({ method }) => method === chosen?.method);
  const method = methods.find(({ id }) => id === cell?.method);
  return (
    <>
      <MethodOptions {...{ methods, settings }} />
      <MethodTable {...{ states, methods, remove, chosen, choose, settings }} />
      <GridEditor grids={choices.grids} shown={grids} add={add} />
      {row && cell?.result && method && (
        <MethodDetail row={row} result={cell.result} method={method} options={options[method.id] ?? {}} />
      )}
    </>
  );
}
