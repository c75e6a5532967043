import * as l10n from '@vscode/l10n';
import { columnsFrom } from '../../../src/protocol/dataTable';
import { assumptions, totalBytes, type RunEstimate } from '../../../src/protocol/runEstimate';
import { plural, size } from '../../../src/protocol/words';
import { useApp, useAppState } from '../../context';
import { TextField } from '../../controls';
import { bits } from '../../format';
import {
  bytesTyped,
  checkedFits,
  freshFits,
  machineFit,
  machineFits,
  targetFrom,
  type FitsForm,
  type MachineFit,
} from '../../model/fits';
import { useAnswer } from '../../useAnswer';
import { usePersistentForm } from '../../usePersistent';
import { dataItems, useSaving } from '../../useSaving';
import { LongText } from '../LongText';
import { Menu } from '../Menu';
import { Failed } from '../states';
import { Settings, type SettingsProps } from './FitsSettings';

const title = l10n.t('Does it fit?');

/** What the model takes of a memory when it runs, in any format, and which devices have that. */
export function Fits() {
  const { host } = useApp();
  const { opening, plan } = useAppState();
  const [kept, setForm] = usePersistentForm('model.fits', freshFits);
  const form = checkedFits(kept);
  const target = targetFrom(form.target, plan !== undefined);
  const { context, sequences, cacheType } = form;
  const key = [
    opening,
    target.kind === 'ownPlan' ? plan?.revision : '',
    JSON.stringify([target, context, sequences, cacheType]),
  ];
  const { value, failure } = useAnswer(key.join(' '), (signal) =>
    host.call(
      'estimateRun',
      { target, sequences, cacheType, ...(context === 0 ? {} : { context }) },
      { signal },
    ),
  );
  const saving = useSaving({ title });
  const change = (part: Partial<FitsForm>): void => setForm({ ...form, ...part });
  return (
    <section class="card fits" aria-label={title}>
      <div class="chart-head">
        <h3>{title}</h3>
        {value && (
          <Menu
            label={l10n.t('Save or copy: {0}', title)}
            items={dataItems(saving, 'Table', title, () => machineColumns(value))}
          />
        )}
      </div>
      <Settings {...{ form, change }} contextLength={value?.contextLength} used={value?.settings.context} />
      {failure !== undefined && <Failed message={failure} />}
      {value && <Memory estimate={value} />}
      {value && <Own {...{ form, change }} estimate={value} />}
      {value?.targets[0]?.weights && <Devices fits={machineFits(value)} />}
    </section>
  );
}

const machineColumns = (estimate: RunEstimate) =>
  columnsFrom(machineFits(estimate), [
    { name: 'device', value: ({ machine }) => machine.name },
    { name: 'memory', unit: 'bytes', value: ({ machine }) => machine.memory },
    { name: 'bandwidth', unit: 'bytes per second', value: ({ machine }) => machine.bandwidth },
    { name: 'left', unit: 'bytes', value: ({ left }) => left },
    { name: 'tokens per second', value: ({ speed }) => speed },
  ]);

/** What is in the memory, as a bar and in numbers. */
function Memory({ estimate }: { estimate: RunEstimate }) {
  const { memory, unknown, notes, targets } = estimate;
  const { weights, failure } = targets[0]!;
  const total = totalBytes(estimate, targets[0]!);
  const parts = [
    { name: l10n.t('weights'), bytes: weights?.bytes },
    { name: l10n.t('keys and values'), bytes: memory?.cacheBytes },
    { name: l10n.t('buffers'), bytes: memory?.computeBytes },
  ].filter((part): part is { name: string; bytes: number } => part.bytes !== undefined);
  const sum = parts.reduce((all, { bytes }) => all + bytes, 0);
  return (
    <>
      {failure !== undefined && (
        <p class="notice note">
          <LongText text={failure} />
        </p>
      )}
      {weights && (
        <>
          <div class="memory-bar" aria-hidden="true">
            {parts.map(({ name, bytes }, i) => (
              <span key={name} class={`memory-part-${i}`} style={{ flexGrow: bytes / sum }} />
            ))}
          </div>
          <p class="memory-text">
            {parts.map(({ name, bytes }, i) => (
              <span key={name}>
                <i class={`memory-part-${i}`} aria-hidden="true" /> {size(bytes)} {name}
              </span>
            ))}
            <strong>{total === undefined ? '' : l10n.t('{0} together', size(total))}</strong>
            <span class="muted">{l10n.t('{0} bits/weight', bits(weights.bitsPerWeight))}</span>
          </p>
        </>
      )}
      {unknown !== undefined && (
        <p class="muted">
          <LongText text={l10n.t('Keys, values and buffers are not known: {0}', unknown)} />
        </p>
      )}
      {notes.map((note) => (
        <p key={note} class="muted">
          <LongText text={note} />
        </p>
      ))}
    </>
  );
}

/** One's own memory and bandwidth. */
function Own({ form, change, estimate }: SettingsProps & { estimate: RunEstimate }) {
  const [memory, bandwidth] = [bytesTyped(form.memory), bytesTyped(form.bandwidth)];
  const fit = machineFit(estimate, { name: '', memory: memory ?? Infinity, bandwidth: bandwidth ?? 0 });
  return (
    <p class="own-machine">
      <label>
        {l10n.t('Your memory')}
        <TextField
          value={form.memory}
          label={l10n.t('A memory of your own')}
          placeholder="8 GB"
          width="100px"
          onInput={(text) => change({ memory: text })}
        />
      </label>
      <label>
        {l10n.t('Its bandwidth')}
        <TextField
          value={form.bandwidth}
          label={l10n.t('A bandwidth of your own')}
          placeholder={l10n.t('400 GB/s')}
          width="100px"
          onInput={(text) => change({ bandwidth: text })}
        />
      </label>
      <span role="status">
        {memory === null || bandwidth === null
          ? l10n.t('Sizes such as 8 GB and 400 GB/s are needed.')
          : [
              memory === undefined ? '' : leftText(fit),
              bandwidth === undefined ? '' : speedText(fit, estimate),
            ]
              .filter(Boolean)
              .join(', ')}
      </span>
    </p>
  );
}

const leftText = ({ left, isOfWeights }: MachineFit): string => {
  if (left === undefined) return l10n.t('not known');
  if (left < 0) return l10n.t('{0} too much', size(-left));
  return isOfWeights
    ? l10n.t('the weights fit, {0} left for the rest', size(left))
    : l10n.t('fits, {0} left', size(left));
};

const markedText = ({ left, isOfWeights }: MachineFit): string => {
  if (left === undefined) return '?';
  if (left < 0) return l10n.t('✗ {0} too much', size(-left));
  return isOfWeights ? l10n.t('weights fit, {0} left', size(left)) : l10n.t('✓ {0} left', size(left));
};

const speedNumber = (tokens: number): string =>
  tokens.toLocaleString('en-US', { maximumSignificantDigits: 3 });

const speedText = ({ speed }: MachineFit, { settings }: Pick<RunEstimate, 'settings'>): string => {
  if (speed === undefined) return '';
  const of = settings.sequences === 1 ? '' : l10n.t(' of {0}', plural(settings.sequences, 'sequence'));
  return l10n.t('at most {0} tokens/s{1}', speedNumber(speed), of);
};

const capacityText = ({ machine }: MachineFit): string =>
  l10n.t('{0} for a model, {1}/s', size(machine.memory), size(machine.bandwidth));

function Devices({ fits }: { fits: readonly MachineFit[] }) {
  return (
    <>
      <div class="table-scroll devices" tabIndex={0} role="region" aria-label={l10n.t('Devices')}>
        <table class="shares">
          <thead>
            <tr>
              <th>{l10n.t('Device')}</th>
              <th>{l10n.t('Fits')}</th>
              <th class="right" title={l10n.t('At most, by bandwidth')}>
                {l10n.t('Tokens/s ≤')}
              </th>
            </tr>
          </thead>
          <tbody>
            {fits.map((fit) => (
              <tr key={fit.machine.name} class={fit.left !== undefined && fit.left < 0 ? 'muted' : ''}>
                <td title={`${fit.machine.name}\n${capacityText(fit)}`}>{fit.machine.name}</td>
                <td>{markedText(fit)}</td>
                <td class="right">{fit.speed === undefined ? '' : speedNumber(fit.speed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <details class="muted">
        <summary>{l10n.t('What these figures assume')}</summary>
        {Object.values(assumptions).map((text) => (
          <p key={text}>{text}</p>
        ))}
        <p>{l10n.t('Memory is what a model can take: two thirds to three quarters of that of a Mac.')}</p>
        <p>{l10n.t('A device of 24 GiB has {0}.', size(24 * 2 ** 30))}</p>
      </details>
    </>
  );
}
