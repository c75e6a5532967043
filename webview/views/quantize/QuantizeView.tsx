import { useEffect, useRef } from 'preact/hooks';
import type { ComparisonState } from '../../../src/protocol/editorState';
import { plural } from '../../../src/protocol/words';
import { useApp, useAppState, useAsk } from '../../context';
import { Button } from '../../controls';
import type { ModeDescription, Modes as PageModes } from '../../tabs';
import { MethodsView } from '../methods/MethodsView';
import { Modes } from '../Modes';
import { OneTensor } from './OneTensor';
import { SeveralTensors } from './SeveralTensors';

/** A tensor of at most this many bytes is compared as soon as it is selected. */
const followedBytes = 64 * 1024 * 1024;
/** How long a selection must stay before it is followed (milliseconds). */
const followDelay = 250;

const choices: readonly ModeDescription<PageModes['tensors']>[] = [
  { id: 'methods', label: 'Grids and methods', hint: 'One tensor in grids by methods.' },
  { id: 'formats', label: 'Formats', hint: 'One or several tensors in formats.' },
];

/** What quantizing would cost a layer, in grids by methods, or layers in formats, before anything is written. */
export function QuantizeView() {
  const { store } = useApp();
  const { modes } = useAppState();
  return (
    <div class="quantize-layer">
      <Modes
        label="What to compare"
        modes={choices}
        value={modes.tensors}
        onChange={(mode) => store.setModes({ tensors: mode })}
      />
      {modes.tensors === 'methods' ? <MethodsView /> : <FormatsView />}
    </div>
  );
}

/** What each chosen format would cost the chosen tensors. */
function FormatsView() {
  const ask = useAsk();
  const { comparison, selected } = useAppState();
  useFollowed();
  if (!comparison) {
    return (
      <div class="empty">
        <p>Choose formats for a tensor to see the error and size of each before anything is written.</p>
        <Button
          primary
          disabled={selected.length === 0}
          onClick={() => void ask('quantize', { tensors: selected, choose: true })}
        >
          Formats…
        </Button>
      </div>
    );
  }
  return (
    <div class="page quantize">
      <Controls comparison={comparison} />
      {comparison.error !== undefined && (
        <p class="notice error" role="alert">
          {comparison.error}
        </p>
      )}
      {comparison.tensors.length === 1 ? (
        <OneTensor key={comparison.tensors[0]} comparison={comparison} />
      ) : (
        <SeveralTensors key={comparison.tensors.join('\n')} comparison={comparison} />
      )}
    </div>
  );
}

/** Actions on what is shown: compare again, with other formats, or the current selection. */
function Controls({ comparison }: { comparison: ComparisonState }) {
  const ask = useAsk();
  const { selected } = useAppState();
  const { tensors, formats, done } = comparison;
  const compare = (of: readonly string[]): void => void ask('quantize', { tensors: of, formats });
  return (
    <div class="measure">
      {selected.length > 0 && !isSame(selected, tensors) && (
        <Button primary onClick={() => compare(selected)}>
          Compare {selected.length === 1 ? selected[0] : plural(selected.length, 'selected tensor')}
        </Button>
      )}
      <Button disabled={!done} onClick={() => compare(tensors)}>
        Run Again
      </Button>
      <Button onClick={() => void ask('quantize', { tensors, choose: true })}>Formats…</Button>
    </div>
  );
}

/**
 * Compares what gets selected while the tab is visible, in the formats chosen last; large tensors and several wait for a
 * click. What is shown when the tab opens stays: it may be about a group that was never selected.
 */
function useFollowed(): void {
  const ask = useAsk();
  const { comparison, selected, model } = useAppState();
  const [only] = selected;
  const seen = useRef(only);
  useEffect(() => {
    if (seen.current === only) return undefined;
    seen.current = only;
    const bytes = model?.tensors.find(({ name }) => name === only)?.byteLength ?? Infinity;
    if (!comparison || selected.length !== 1 || bytes > followedBytes) return undefined;
    if (isSame(selected, comparison.tensors)) return undefined;
    const timer = setTimeout(
      () => void ask('quantize', { tensors: selected, formats: comparison.formats }),
      followDelay,
    );
    return () => clearTimeout(timer);
  }, [only, selected.length]);
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));
