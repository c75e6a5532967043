import * as l10n from '@vscode/l10n';
import { useRef } from 'preact/hooks';
import { usePersistent } from '../usePersistent';

/** Share of the width that the left pane may take. */
const limits = { min: 0.2, max: 0.75 };
const initialShare = 0.46;
/** What an arrow key moves the splitter. */
const keyStep = 0.02;

/** Two panes with a splitter that pointer and arrow keys move. */
export function Split(props: { left: preact.JSX.Element; right: preact.JSX.Element }) {
  const [share, setShare] = usePersistent('split', initialShare);
  const box = useRef<HTMLDivElement>(null);
  const place = (wanted: number): void => {
    setShare(Math.min(limits.max, Math.max(limits.min, wanted)));
  };
  const move = (event: PointerEvent): void => {
    if (!(event.currentTarget as Element).hasPointerCapture(event.pointerId) || !box.current) return;
    const { left, width } = box.current.getBoundingClientRect();
    place((event.clientX - left) / width);
  };
  const onKey = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -keyStep, ArrowRight: keyStep }[event.key];
    if (step === undefined) return;
    place(share + step);
    event.preventDefault();
  };
  return (
    <div class="split" ref={box} style={{ gridTemplateColumns: `${share * 100}% 5px minmax(0, 1fr)` }}>
      {props.left}
      <div
        class="splitter"
        role="separator"
        aria-orientation="vertical"
        aria-label={l10n.t('Width of the tensor list')}
        aria-valuenow={Math.round(share * 100)}
        aria-valuemin={limits.min * 100}
        aria-valuemax={limits.max * 100}
        tabIndex={0}
        onKeyDown={onKey}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={move}
      />
      {props.right}
    </div>
  );
}
