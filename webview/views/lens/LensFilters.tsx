import * as l10n from '@vscode/l10n';
import type { ComponentChildren } from 'preact';
import type { LensFamily } from '../../../src/protocol/lens';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { MethodDescription } from '../../../src/protocol/recipe';
import { TextField } from '../../controls';
import { familyNames, type LensFilter } from '../../lensRecipes';
import type { MethodSettings } from '../../useMethodOptions';
import { changedCount } from './MethodOptions';

/** Which recipes are shown: by words, by what their grids are made of, by method. */
export function LensFilters(props: {
  filter: LensFilter;
  change: (part: Partial<LensFilter>) => void;
  methods: readonly MethodDescription[];
  settings: MethodSettings;
  /** How far the recipes are. */
  children: ComponentChildren;
}) {
  const { filter, change, methods, settings, children } = props;
  const { hiddenFamilies, hiddenMethods } = filter;
  return (
    <div class="lens-filters">
      <TextField
        value={filter.text}
        label={l10n.t('Filter recipes')}
        placeholder={l10n.t('Filter: int4 gptq')}
        onInput={(text) => change({ text })}
        width="180px"
      />
      <div class="chips" role="group" aria-label={l10n.t('Kinds of grids')}>
        {(Object.keys(familyNames) as LensFamily[]).map((family) => (
          <Chip
            key={family}
            label={familyNames[family]}
            isOn={!hiddenFamilies.includes(family)}
            onClick={() => change({ hiddenFamilies: toggled(hiddenFamilies, family) })}
          />
        ))}
      </div>
      <div class="chips" role="group" aria-label={l10n.t('Methods')}>
        {methods.map((method) => (
          <MethodChip
            key={method.id}
            {...{ method, settings }}
            isOn={!hiddenMethods.includes(method.id)}
            onClick={() => change({ hiddenMethods: toggled(hiddenMethods, method.id) })}
          />
        ))}
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={filter.all}
          onChange={(event) => change({ all: event.currentTarget.checked })}
        />
        {l10n.t('Every grid by every method')}
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={filter.front}
          onChange={(event) => change({ front: event.currentTarget.checked })}
        />
        {l10n.t('Only those that no other one beats')}
      </label>
      {children}
    </div>
  );
}

const toggled = <T extends string>(list: readonly T[], item: T): T[] =>
  list.includes(item) ? list.filter((other) => other !== item) : [...list, item];

function Chip(props: { label: string; title?: string; isOn: boolean; onClick: () => void }) {
  const { label, title, isOn, onClick } = props;
  return (
    <button class={isOn ? 'chip on' : 'chip'} aria-pressed={isOn} title={title} onClick={onClick}>
      {label}
    </button>
  );
}

/** A method, and a button for its options. */
function MethodChip(props: {
  method: MethodDescription;
  settings: MethodSettings;
  isOn: boolean;
  onClick: () => void;
}) {
  const { method, settings, isOn, onClick } = props;
  const { id, label, description, options } = method;
  const { texts, opened, open } = settings;
  const changed = changedCount(texts[id]);
  return (
    <span class="chip-pair">
      <Chip
        label={label}
        title={l10n.t('{0} It {1}.', description, needsText(method))}
        isOn={isOn}
        onClick={onClick}
      />
      {options.length > 0 && (
        <button
          class={opened === id ? 'chip options-chip on' : 'chip options-chip'}
          aria-expanded={opened === id}
          aria-label={l10n.t('Options of {0}', label)}
          title={
            changed > 0
              ? l10n.t('Options of {0}: {1} changed', label, changed)
              : l10n.t('Options of {0}', label)
          }
          onClick={() => open(opened === id ? undefined : id)}
        >
          ⚙{changed > 0 && <span class="changed">{changed}</span>}
        </button>
      )}
    </span>
  );
}

/** "needs Hessian"; "uses importance" where it can do without. */
function needsText({ evidence, improvedBy }: MethodDescription): string {
  if (evidence !== 'none') return l10n.t('needs {0}', evidenceWords[evidence]);
  return improvedBy === undefined ? l10n.t('needs no data') : l10n.t('uses {0}', evidenceWords[improvedBy]);
}
