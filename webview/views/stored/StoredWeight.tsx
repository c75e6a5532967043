import * as l10n from '@vscode/l10n';
import type { CodeAnalysis, GroupMap, StoredAnalysis } from '../../../src/protocol/analysis';
import { plural, size } from '../../../src/protocol/words';
import { CodesChart } from '../../charts/CodesChart';
import type { SpanNoun } from '../../charts/cells';
import { GroupMapChart } from '../../charts/GroupMapChart';
import { SaturationChart } from '../../charts/SaturationChart';
import { useApp, useAppState } from '../../context';
import { Loading } from '../../controls';
import { bits, exact, nameText, percent, shapeText } from '../../format';
import { useAnswer } from '../../useAnswer';
import { Failed } from '../states';

/** How a quantized weight is stored: its parts, codes, scales and zero points or minimums. */
export function StoredWeight({ tensor, rows }: { tensor: string; rows: number }) {
  const { host } = useApp();
  const { revision } = useAppState();
  const { value, failure, retry } = useAnswer(`${revision} ${tensor}`, (signal) =>
    host.call('stored', { tensor }, { signal }),
  );
  return (
    <section class="stored" aria-label={l10n.t('How it is stored')}>
      <h3>{l10n.t('How it is stored')}</h3>
      {failure !== undefined && <Failed message={failure} retry={retry} />}
      {!value && failure === undefined && <Loading>{l10n.t('Reading codes and scales…')}</Loading>}
      {value && <Parts stored={value} />}
      {value?.codes && <Codes codes={value.codes} rows={rows} tensor={tensor} />}
    </section>
  );
}

/** What each part costs, and all of them together. */
function Parts({ stored }: { stored: StoredAnalysis }) {
  const { tensor, parts, bitsPerWeight } = stored;
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const bitsOf = (bytes: number): string => bits((bitsPerWeight * bytes) / total);
  return (
    <div class="wide-table" tabIndex={0} role="region" aria-label={l10n.t('Parts of the weight')}>
      <table class="parts">
        <thead>
          <tr>
            <th scope="col">{l10n.t('Part')}</th>
            <th scope="col">{l10n.t('Dtype')}</th>
            <th scope="col">{l10n.t('Shape')}</th>
            <th scope="col">{l10n.t('Size')}</th>
            <th scope="col">{l10n.t('Bits per weight')}</th>
          </tr>
        </thead>
        <tbody>
          {parts.map(({ name, dtype, shape, bytes }) => (
            <tr key={name}>
              <th scope="row" title={nameText(name)}>
                {nameText(shortName(name, tensor))}
              </th>
              <td>{dtype}</td>
              <td>{shapeText(shape)}</td>
              <td>{size(bytes)}</td>
              <td>{bitsOf(bytes)}</td>
            </tr>
          ))}
          <tr class="total">
            <th scope="row">{l10n.t('together')}</th>
            <td />
            <td />
            <td>{size(total)}</td>
            <td>{bits(bitsPerWeight)}</td>
          </tr>
        </tbody>
      </table>
    </div>
  );
}

/** A part's name without that of its module. */
function shortName(name: string, tensor: string): string {
  const module = tensor.replace(/weight$/, '');
  return module !== '' && name.startsWith(module) ? name.slice(module.length) : name;
}

/** Parameters of groups in words; the keys are classes of their charts. */
const parameters = {
  scale: { title: l10n.t('Scales'), what: l10n.t('scale'), noun: 'group' },
  'zero-point': { title: l10n.t('Zero points'), what: l10n.t('zero point'), noun: 'group' },
  minimum: { title: l10n.t('Minimums'), what: l10n.t('minimum'), noun: 'group' },
  'factor-of-scales': {
    title: l10n.t('Factors of scales (d)'),
    what: l10n.t('factor of scales'),
    noun: 'super-block',
  },
  'factor-of-minimums': {
    title: l10n.t('Factors of minimums (dmin)'),
    what: l10n.t('factor of minimums'),
    noun: 'super-block',
  },
} as const;
const parameterKinds = Object.keys(parameters) as (keyof typeof parameters)[];

function Codes({ codes, rows, tensor }: { codes: CodeAnalysis; rows: number; tensor: string }) {
  const { levels, counts, saturation, scales, zeros, minimums, factors } = codes;
  const maps: Readonly<Record<keyof typeof parameters, GroupMap | undefined>> = {
    ...{ scale: scales, 'zero-point': zeros, minimum: minimums },
    ...{ 'factor-of-scales': factors?.scales, 'factor-of-minimums': factors?.minimums },
  };
  return (
    <>
      <CodesChart {...{ levels, counts, tensor }} description={saturationText(codes)} />
      <SaturationChart {...{ saturation, rows, tensor }} description={worstText(saturation.worst)} />
      <div class="group-maps">
        {parameterKinds.map((kind) => {
          const map = maps[kind];
          return map && <Groups key={kind} {...{ ...parameters[kind], kind, map, tensor }} />;
        })}
      </div>
    </>
  );
}

/** Where all values are equal there is nothing to draw. */
function Groups(props: {
  title: string;
  kind: string;
  what: string;
  noun: SpanNoun;
  map: GroupMap;
  tensor: string;
}) {
  const { title, noun, map } = props;
  if (map.min < map.max) return <GroupMapChart {...props} description={rangeText(map, noun)} />;
  return (
    <section>
      <h4>{title}</h4>
      <p class="muted">{rangeText(map, noun)}</p>
    </section>
  );
}

/** Weights at the ends of the levels: those that a narrower range cut off are among them. */
function saturationText({ levels, counts, saturated }: CodeAnalysis): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const used = counts.filter((count) => count > 0).length;
  const ends = l10n.t(
    '{0} at the lowest ({1}), {2} at the highest ({3})',
    percent(saturated.lowest / total),
    exact(levels[0]!),
    percent(saturated.highest / total),
    exact(levels.at(-1)!),
  );
  return l10n.t('{0} of {1} are used. Saturated: {2}.', used, plural(levels.length, 'level'), ends);
}

function worstText(worst: CodeAnalysis['saturation']['worst']): string {
  const saturated = worst.filter(({ share }) => share > 0);
  if (saturated.length === 0) return l10n.t('No weight is at either end.');
  return l10n.t(
    'Most: {0}.',
    saturated.map(({ row, share }) => l10n.t('row {0} ({1})', row, percent(share))).join(', '),
  );
}

function rangeText({ rows, groups, min, max }: GroupMap, noun: string): string {
  const of = l10n.t('{0} rows × {1}', rows.toLocaleString('en-US'), plural(groups, noun));
  return min === max
    ? l10n.t('{0}: all {1}.', of, exact(min))
    : l10n.t('{0}: {1} to {2}.', of, exact(min), exact(max));
}
