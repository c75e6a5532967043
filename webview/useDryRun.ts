import { useEffect, useRef, useState } from 'preact/hooks';

/** How long settings must be quiet before they are previewed (milliseconds). */
const previewDelay = 150;

export interface DryRun<Form, Preview> {
  /** The last dry run that succeeded. */
  readonly preview?: Preview;
  /** Why the latest did not. */
  readonly failure?: string;
  /** The form that the latest was about. */
  readonly of?: Form;
}

/**
 * The dry run of a form: requested when it is quiet, the last one wins. The previous one stays when one fails.
 * @param also what else the dry run depends on.
 */
export function useDryRun<Form, Preview>(
  form: Form,
  ask: (form: Form) => Promise<Preview>,
  also?: unknown,
): DryRun<Form, Preview> {
  const [state, setState] = useState<DryRun<Form, Preview>>({});
  const latest = useRef(0);
  useEffect(() => {
    const turn = ++latest.current;
    const tell = (change: DryRun<Form, Preview>): void => {
      if (turn === latest.current) setState((now) => (change.preview ? change : { ...now, ...change }));
    };
    const run = async (): Promise<void> => {
      try {
        tell({ preview: await ask(form), of: form });
      } catch (error) {
        tell({ failure: error instanceof Error ? error.message : String(error), of: form });
      }
    };
    const timer = setTimeout(() => void run(), previewDelay);
    return () => clearTimeout(timer);
  }, [form, also]);
  return state;
}
