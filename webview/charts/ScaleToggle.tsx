export type CountScale = 'log' | 'linear';

/** Chooses the scale of the counts of a histogram. */
export function ScaleToggle(props: { scale: CountScale; onChange: (scale: CountScale) => void }) {
  const { scale, onChange } = props;
  return (
    <div class="toggle" role="radiogroup" aria-label="Scale of the counts">
      {(['log', 'linear'] as const).map((name) => (
        <button
          key={name}
          role="radio"
          aria-checked={scale === name}
          class={scale === name ? 'on' : ''}
          onClick={() => onChange(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
