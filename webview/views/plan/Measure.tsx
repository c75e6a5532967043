import * as l10n from '@vscode/l10n';
import { useEffect, useState } from 'preact/hooks';
import type { Budget } from '../../../src/protocol/plan';
import { notKeptNote } from '../../../src/protocol/tableNotes';
import type { WebviewRequests } from '../../../src/protocol/webview';
import { useApp, useAppState } from '../../context';
import { Button } from '../../controls';
import { checked, countOf } from '../../formValues';
import { useJob } from '../../useJob';
import { Field, PathField, TextSetting } from '../fields';
import { Going } from '../Going';
import { Failed } from '../states';

type Params = WebviewRequests['measurePlan']['params'];

/**
 * The plan is measured as a whole over another text, with presets of its size and the file that it is to beat.
 * @param props.budget where the user moved the slider to: the plan is solved for it first.
 */
export function Measure({ budget }: { budget?: Budget }) {
  const { host } = useApp();
  const { limits, part } = useAppState();
  const { run, start, cancel } = useJob('plan measurement', (params: Params, options) =>
    host.call('measurePlan', params, options),
  );
  const { isRunning = false, progress, failure } = run ?? {};
  if (!limits || limits.run !== undefined || part?.alone) return null;
  return (
    <details class="measure-plan" open={run !== undefined}>
      <summary>{l10n.t('Measure this plan')}</summary>
      <p class="muted">
        {l10n.t(
          'Runs the model with the plan, with presets of at most its size and with a random assignment, over a text that neither gains nor codes have seen, and says whether the plan is better.',
        )}
      </p>
      <Settings {...{ isRunning, start }} last={run?.params} {...(budget ? { budget } : {})} />
      {isRunning && <Going title={l10n.t('Measurement of the plan')} progress={progress} cancel={cancel} />}
      {failure !== undefined && <Failed message={failure} />}
      {notesOf(run?.result).map((note) => (
        <p key={note} class="notice note">
          {note}
        </p>
      ))}
    </details>
  );
}

const notesOf = (result: WebviewRequests['measurePlan']['result'] | undefined): string[] => [
  ...(result?.isShown === false
    ? [l10n.t('The plan was changed meanwhile: the result is about the earlier one.')]
    : []),
  ...(result?.notKept === undefined ? [] : [notKeptNote(result.notKept)]),
];

/** What a measurement is made with, at first as the last one was. */
function Settings(props: {
  last: Params | undefined;
  budget?: Budget;
  isRunning: boolean;
  start: (params: Params) => void;
}) {
  const { last, budget, isRunning, start } = props;
  const { text, setText } = useText(last?.text);
  const [windows, setWindows] = useState(last?.windows?.toString() ?? '');
  const [improve, setImprove] = useState(last?.improve ?? false);
  const { value: count, problem } = checked(() => countOf(windows, l10n.t('Windows')));
  const params: Params = {
    ...{ text, ...(count === undefined ? {} : { windows: count }) },
    ...(improve ? { improve } : {}),
    ...(budget ? { budget } : {}),
  };
  return (
    <div class="options" role="group" aria-label={l10n.t('Measurement of the plan')}>
      <PathField
        label={l10n.t('Text')}
        flag={l10n.t('UTF-8 text that neither the gains nor the codes of the plan have seen')}
        kind="text"
        path={text}
        none={l10n.t('another text than that of the gains')}
        onChange={setText}
      />
      <TextSetting
        label={l10n.t('At most')}
        name={l10n.t('Windows of the measurement')}
        flag={l10n.t('Windows of the text; an interval needs at least 8')}
        value={windows}
        placeholder={l10n.t('all windows')}
        onChange={setWindows}
      />
      <Improve value={improve} onChange={setImprove} />
      <div class="start">
        <span class="muted" role="status">
          {problem ?? (text === '' ? l10n.t('Choose a text.') : '')}
        </span>
        <Button disabled={text === '' || problem !== undefined || isRunning} onClick={() => start(params)}>
          {l10n.t('Measure')}
        </Button>
      </div>
    </div>
  );
}

function Improve({ value, onChange }: { value: boolean; onChange: (value: boolean) => void }) {
  return (
    <Field label={l10n.t('Improve')} wide>
      <label
        title={l10n.t(
          'Formats change where a measurement on every second window shows it to be better; the figures are those of the other windows',
        )}
      >
        <input
          type="checkbox"
          checked={value}
          onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        />
        {l10n.t('by measured swaps of formats; takes at least 16 windows')}
      </label>
    </Field>
  );
}

/** The text as it was used or chosen; until then one next to the model that is made for evaluations. */
function useText(used: string | undefined) {
  const { host } = useApp();
  const [text, setText] = useState(used ?? '');
  useEffect(() => {
    if (used !== undefined) return;
    host.call('textsBeside', {}).then(
      (beside) => setText((now) => (now === '' ? (beside.text ?? '') : now)),
      () => undefined, // then the user chooses one
    );
  }, [host]);
  return { text, setText };
}
