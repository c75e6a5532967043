import type { CodeAnalysis, GroupMap, StoredAnalysis } from '../../../src/protocol/analysis';
import { plural, size } from '../../../src/protocol/words';
import { CodesChart } from '../../charts/CodesChart';
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
    <section class="stored" aria-label="How it is stored">
      <h3>How it is stored</h3>
      {failure !== undefined && <Failed message={failure} retry={retry} />}
      {!value && failure === undefined && <Loading>Reading codes and scales…</Loading>}
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
    <div class="wide-table" tabIndex={0} role="region" aria-label="Parts of the weight">
      <table class="parts">
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">Dtype</th>
            <th scope="col">Shape</th>
            <th scope="col">Size</th>
            <th scope="col">Bits per weight</th>
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
            <th scope="row">together</th>
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

function Codes({ codes, rows, tensor }: { codes: CodeAnalysis; rows: number; tensor: string }) {
  const { levels, counts, saturation, scales, zeros, minimums, factors } = codes;
  const maps: readonly (readonly [title: string, what: string, noun: string, map: GroupMap | undefined])[] = [
    ['Scales', 'scale', 'group', scales],
    ['Zero points', 'zero point', 'group', zeros],
    ['Minimums', 'minimum', 'group', minimums],
    ['Factors of scales (d)', 'factor of scales', 'super-block', factors?.scales],
    ['Factors of minimums (dmin)', 'factor of minimums', 'super-block', factors?.minimums],
  ];
  return (
    <>
      <CodesChart {...{ levels, counts, tensor }} description={saturationText(codes)} />
      <SaturationChart {...{ saturation, rows, tensor }} description={worstText(saturation.worst)} />
      <div class="group-maps">
        {maps.map(
          ([title, what, noun, map]) => map && <Groups key={title} {...{ title, what, noun, map, tensor }} />,
        )}
      </div>
    </>
  );
}

/** Where all values are equal there is nothing to draw. */
function Groups(props: { title: string; what: string; noun: string; map: GroupMap; tensor: string }) {
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
  const ends = `${percent(saturated.lowest / total)} at the lowest (${exact(levels[0]!)}), ${percent(saturated.highest / total)} at the highest (${exact(levels.at(-1)!)})`;
  return `${used} of ${plural(levels.length, 'level')} are used. Saturated: ${ends}.`;
}

function worstText(worst: CodeAnalysis['saturation']['worst']): string {
  const saturated = worst.filter(({ share }) => share > 0);
  if (saturated.length === 0) return 'No weight is at either end.';
  return `Most: ${saturated.map(({ row, share }) => `row ${row} (${percent(share)})`).join(', ')}.`;
}

function rangeText({ rows, groups, min, max }: GroupMap, noun: string): string {
  const of = `${rows.toLocaleString('en-US')} rows × ${plural(groups, noun)}`;
  return min === max ? `${of}: all ${exact(min)}.` : `${of}: ${exact(min)} to ${exact(max)}.`;
}
