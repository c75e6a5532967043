import { Choice, TextSetting } from '../fields';
import { mantissasOf, scaleChoices, type GridParts } from './gridParts';

interface Props {
  readonly parts: GridParts;
  readonly change: (part: Partial<GridParts>) => void;
}

const asOptions = <T extends string>(names: readonly T[]) => names.map((name) => ({ name, label: name }));
const kinds = [
  { name: 'int', label: 'integers' },
  { name: 'float', label: 'floats' },
  { name: 'table', label: 'table' },
] as const;
const tables = ['nf4', 'fp4'] as const;

/** Everything that makes up a grid: its levels, its groups and their scales. */
export function GridFields({ parts, change }: Props) {
  return (
    <>
      <Choice label="Levels" options={kinds} value={parts.kind} onChange={(kind) => change({ kind })} />
      {parts.kind === 'table' && (
        <Choice
          label="Table"
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
        label="Bits"
        options={asOptions(['2', '3', '4', '5', '6', '7', '8'])}
        value={parts.bits}
        onChange={(bits) => change({ bits })}
      />
      <div class="flags">
        <Check label="Zero points" value={parts.zeroPoint} onChange={(zeroPoint) => change({ zeroPoint })} />
        <Check
          label="Unsigned"
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
        label="Exponent bits"
        options={asOptions(['1', '2', '3', '4', '5', '6'])}
        value={parts.exponent}
        onChange={(exponent) => change({ exponent })}
      />
      <Choice
        label="Mantissa bits"
        options={asOptions(mantissasOf(parts.exponent))}
        value={parts.mantissa}
        onChange={(mantissa) => change({ mantissa })}
      />
    </>
  );
}

const groups = [
  { name: 'g', label: 'weights of a row' },
  { name: 'b', label: 'weights of the flattened tensor' },
  { name: 'row', label: 'the row' },
  { name: 'tensor', label: 'the tensor' },
] as const;

function GroupFields({ parts, change }: Props) {
  const isSized = parts.group === 'g' || parts.group === 'b';
  return (
    <>
      <Choice label="Group" options={groups} value={parts.group} onChange={(group) => change({ group })} />
      <TextSetting
        label="Size"
        name="Weights of a group"
        value={parts.size}
        disabled={!isSized}
        onChange={(size) => change({ size })}
      />
      <Choice
        label="Scales"
        name="Dtype of scales"
        options={[{ name: '', label: 'usual dtype' }, ...asOptions(scaleChoices)]}
        value={parts.scale}
        onChange={(scale) => change({ scale })}
      />
      <div class="flags">
        <Check
          label="Scales quantized to 8 bits"
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
