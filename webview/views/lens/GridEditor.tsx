import * as l10n from '@vscode/l10n';
import { useState } from 'preact/hooks';
import type { GridDescription } from '../../../src/protocol/methods';
import { Button } from '../../controls';
import { GridFields } from './GridFields';
import { firstParts, nameOf, problemOf } from './gridParts';

interface Props {
  readonly grids: readonly GridDescription[];
  /** Names of those that were added: by every method that takes them. */
  readonly shown: readonly string[];
  readonly add: (grid: string) => void;
}

/** Adds a row: a known grid, or one that is put together here, with the name that it gets. */
export function GridEditor({ grids, shown, add }: Props) {
  const [open, setOpen] = useState(false);
  const [parts, setParts] = useState(firstParts);
  const name = nameOf(parts);
  const problem = problemOf(parts);
  return (
    <div class="grid-editor">
      <div class="measure">
        <select
          aria-label={l10n.t('Add a grid')}
          value=""
          onChange={(event) => {
            if (event.currentTarget.value !== '') add(event.currentTarget.value);
            event.currentTarget.value = '';
          }}
        >
          <option value="">{l10n.t('Add a grid…')}</option>
          {grids
            .filter((grid) => !shown.includes(grid.name))
            .map((grid) => (
              <option key={grid.name} value={grid.name}>
                {grid.name} – {grid.label}
              </option>
            ))}
        </select>
        <button class="disclosure" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class={open ? 'twist open' : 'twist'} aria-hidden="true" />
          {l10n.t('Another grid')}
        </button>
      </div>
      {open && (
        <div class="options" role="group" aria-label={l10n.t('Another grid')}>
          <GridFields parts={parts} change={(part) => setParts({ ...parts, ...part })} />
          <div class="start">
            {problem === undefined ? (
              <code class="grid-name">{name}</code>
            ) : (
              <span class="failed" role="status">
                {problem}
              </span>
            )}
            <Button
              primary
              disabled={shown.includes(name) || problem !== undefined}
              onClick={() => add(name)}
            >
              {l10n.t('Add Grid')}
            </Button>
          </div>
        </div>
      )}
    </div>
  );
}
