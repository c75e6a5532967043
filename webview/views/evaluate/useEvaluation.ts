import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp, useAppState } from '../../context';
import { formOf, type EvaluationForm } from './form';

/** How long a form must be quiet before it is kept (milliseconds). */
const keepDelay = 300;

/** What every part of the tab gets: the form, and how to change some of it. */
export interface FormProps {
  readonly form: EvaluationForm;
  readonly change: (part: Partial<EvaluationForm>) => void;
}

/** The form and the results, fetched when the tab is shown for the first time. */
export function useEvaluation(): { props?: FormProps; problem?: string } {
  const { store, host } = useApp();
  const { evaluationForm: form } = useAppState();
  const [problem, setProblem] = useState<string>();
  const keep = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => {
    if (store.state.evaluationForm) return;
    host.call('openEvaluation', {}).then(
      ({ activity, results, ...view }) => {
        store.update({
          evaluationForm: formOf(view),
          evaluationResults: results,
          ...(activity ? { evaluation: activity } : {}),
        });
        setProblem(view.problem);
      },
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  }, [host]);
  const change = (part: Partial<EvaluationForm>): void => {
    if (!store.state.evaluationForm) return;
    const next = { ...store.state.evaluationForm, ...part };
    store.update({ evaluationForm: next });
    clearTimeout(keep.current);
    keep.current = setTimeout(() => {
      host
        .call('keepEvaluationForm', { form: next })
        .catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
    }, keepDelay);
  };
  return { ...(form ? { props: { form, change } } : {}), ...(problem === undefined ? {} : { problem }) };
}
