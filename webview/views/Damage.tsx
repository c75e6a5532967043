import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import { useState } from 'preact/hooks';
import type { TensorDescriptor } from '../../src/protocol/model';
import { printable } from '../../src/protocol/printable';
import type { Fault } from '../../src/protocol/verify';
import { damageText, faultText, tensorDamageText } from '../../src/protocol/verifyText';
import { plural } from '../../src/protocol/words';
import { useApp, useAppState } from '../context';
import { nameText } from '../format';

/** Faults that are listed before the user asks for the rest. */
const shownFaults = 5;

/** What the last check of the files found; nothing while there is none. */
function useFaults(): { readonly faults: readonly Fault[]; readonly omitted: number } {
  const { verification } = useAppState();
  return verification?.kind === 'done' ? verification.result : { faults: [], omitted: 0 };
}

/** Under the header: what is wrong with the files, and where. */
export function DamageNotice() {
  const [isOpen, setOpen] = useState(false);
  const { faults, omitted } = useFaults();
  const total = faults.length + omitted;
  if (total === 0) return null;
  const shown = isOpen ? faults : faults.slice(0, shownFaults);
  return (
    <div class="notice danger damage" role="alert">
      <strong>{damageText(faults)}</strong> {plural(total, 'fault')}.
      <ul>
        {shown.map((fault, i) => (
          <li key={i}>
            <FaultLine fault={fault} />
          </li>
        ))}
      </ul>
      {faults.length > shownFaults && (
        <button class="link" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? l10n.t('Show less') : l10n.t('Show all {0}', faults.length)}
        </button>
      )}
      {isOpen && omitted > 0 && <p>{l10n.t('{0} more are not listed.', omitted.toLocaleString('en-US'))}</p>}
    </div>
  );
}

/** A fault with its file, and its tensor as a link to its page. */
function FaultLine({ fault }: { fault: Fault }) {
  const { store } = useApp();
  const { model } = useAppState();
  const file = printable(fault.file.replace(/^.*[\\/]/, ''));
  const { tensor } = fault;
  const shown = model?.tensors.find((item) => item.name === tensor || holds(item, fault));
  return (
    <>
      {shown ? (
        <button class="link" onClick={() => store.select([shown.name])}>
          {nameText(tensor ?? shown.name)}
        </button>
      ) : (
        tensor !== undefined && <code>{nameText(tensor)}</code>
      )}{' '}
      {printable(faultText(fault))} <span class="muted">{file}</span>
    </>
  );
}

/** Whether a fault is one of a part that the weight is decoded from. */
const holds = ({ stored }: TensorDescriptor, { tensor, file }: Fault): boolean =>
  stored?.parts.some((part) => part.name === tensor && part.file === file) ?? false;

/** On the page of a tensor: what is wrong with it. */
export function TensorDamage({ tensor }: { tensor: TensorDescriptor }) {
  const own = useFaults().faults.filter((fault) => fault.tensor === tensor.name || holds(tensor, fault));
  if (own.length === 0) return null;
  return (
    <div class="notice error damage" role="alert">
      {mixed(
        l10n.t('{0} What is shown is what the file holds now.'),
        <strong>{tensorDamageText(own)}</strong>,
      )}
      <ul>
        {own.slice(0, shownFaults).map((fault, i) => (
          <li key={i}>
            {fault.tensor !== tensor.name && <code>{nameText(fault.tensor ?? '')}</code>}{' '}
            {printable(faultText(fault))}
          </li>
        ))}
      </ul>
      {own.length > shownFaults && <p>{l10n.t('{0} more ranges are damaged.', own.length - shownFaults)}</p>}
    </div>
  );
}
