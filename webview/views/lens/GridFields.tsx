import * as l10n from '@vscode/l10n';
import { Choice, TextSetting } from '../fields';
import { mantissasOf, scaleChoices, type GridParts } from './gridParts';

interface Props {
  readonly parts: GridParts;
  readonly change: (part: Partial<GridParts>) => void;
}

const asOptions = <T extends string>(names: readonly T[]) => names.map((name) => ({ name, label: name }));
const kinds = [
  { name: 'int', label: l10n.t('integers') },
  { name: 'float', label: l10n.t('floats') },
  { name: 'table', label: l10n.t('table') },
] as const;
const tables = ['nf4', 'fp4'] as const;

/** Everything that makes up a grid: its levels, its groups and their scales. */
export function GridFields({ parts, change }: Props) {
  return (
    <>
      <Choice
        label={l10n.t('Levels')}
        options={kinds}
        value={parts.kind}
        onChange={(kind) => change({ kind })}
      />
      {parts.kind === 'table' && (
        <Choice
          label={l10n.t('Table')}
          options={asOptions(tables)}
          value={parts.table}
          onChange={(table) => change({ table })}
        />
      )}
      {parts.kind === 'int' && <IntegerFields parts={parts} change={change} />}
      {parts.kind === 'float' && <FloatFields parts={parts} change={change} />}
      <GroupFields parts={parts} change={change} />
    </>
  );
}

function IntegerFields({ parts, change }: Props) {
  return (
    <>
      <Choice
        label={l10n.t('Bits')}
        options={asOptions(['2', '3', '4', '5', '6', '7', '8'])}
        value={parts.bits}
        onChange={(bits) => change({ bits })}
      />
      <div class="flags">
        <Check
          label={l10n.t('Zero points')}
          value={parts.zeroPoint}
          onChange={(zeroPoint) => change({ zeroPoint })}
        />
        <Check
          label={l10n.t('Unsigned')}
          value={parts.unsigned && parts.zeroPoint}
          disabled={!parts.zeroPoint}
          onChange={(unsigned) => change({ unsigned })}
        />
      </div>
    </>
  );
}

function FloatFields({ parts, change }: Props) {
  return (
    <>
      <Choice
        label={l10n.t('Exponent bits')}
        options={asOptions(['1', '2', '3', '4', '5', '6'])}
        value={parts.exponent}
        onChange={(exponent) => change({ exponent })}
      />
      <Choice
        label={l10n.t('Mantissa bits')}
        options={asOptions(mantissasOf(parts.exponent))}
        value={parts.mantissa}
        onChange={(mantissa) => change({ mantissa })}
      />
    </>
  );
}

const groups = [
  { name: 'g', label: l10n.t('weights of a row') },
  { name: 'b', label: l10n.t('weights of the flattened tensor') },
  { name: 'row', label: l10n.t('the row') },
  { name: 'tensor', label: l10n.t('the tensor') },
] as const;

function GroupFields({ parts, change }: Props) {
  const isSized = parts.group === 'g' || parts.group === 'b';
  return (
    <>
      <Choice
        label={l10n.t('Group')}
        options={groups}
        value={parts.group}
        onChange={(group) => change({ group })}
      />
      <TextSetting
        label={l10n.t('Size')}
        name={l10n.t('Weights of a group')}
        value={parts.size}
        disabled={!isSized}
        onChange={(size) => change({ size })}
      />
      <Choice
        label={l10n.t('Scales')}
        name={l10n.t('Dtype of scales')}
        options={[{ name: '', label: l10n.t('usual dtype') }, ...asOptions(scaleChoices)]}
        value={parts.scale}
        onChange={(scale) => change({ scale })}
      />
      <div class="flags">
        <Check
          label={l10n.t('Scales quantized to 8 bits')}
          value={parts.double}
          onChange={(double) => change({ double })}
        />
      </div>
    </>
  );
}

function Check(props: {
  label: string;
  value: boolean;
  disabled?: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label>
      <input
        type="checkbox"
        checked={props.value}
        disabled={props.disabled ?? false}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      {props.label}
    </label>
  );
}
