import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useMemo } from 'preact/hooks';
import { fromColumns } from '../../../src/protocol/columns';
import type { Plan } from '../../../src/protocol/plan';
import type { PlanFront } from '../../../src/protocol/planFront';
import type { OtherChoice, OtherPlan, SavedPlan } from '../../../src/protocol/savedPlans';
import { plural, size } from '../../../src/protocol/words';
import { estimateText } from '../../../src/protocol/figures';
import { useAsk } from '../../context';
import { figure } from '../../format';
import { planDiff, type PlanDiff } from '../../planDiff';
import { RungMark } from '../Evidence';

/** The other plan against the plan, tensor by tensor; undefined without one. */
export function useDiff(plan: Plan, other: OtherPlan | undefined): PlanDiff | undefined {
  const compared = useMemo(() => other && { ...other, assignments: fromColumns(other.assignments) }, [other]);
  return useMemo(() => compared && planDiff(plan, compared), [plan, compared]);
}

/** Chooses what the plan is compared with, and says how they differ. */
export function CompareWith(props: {
  plan: Plan;
  front: PlanFront | undefined;
  saved: readonly SavedPlan[];
  /** The file that the plan is to beat. */
  rival: string | undefined;
  other: OtherChoice | undefined;
  choose: (other: OtherChoice | undefined) => void;
  diff: PlanDiff | undefined;
}) {
  const { plan, front, saved, rival, other, choose, diff } = props;
  const choices: OtherChoice[] = [
    ...(front?.presets ?? []).map(({ fileType }): OtherChoice => ({ kind: 'preset', fileType })),
    ...saved.map(({ file }): OtherChoice => ({ kind: 'file', file })),
    ...(rival === undefined ? [] : [{ kind: 'rival', file: rival } as const]),
  ];
  if (choices.length === 0) return null;
  return (
    <div class="measure">
      <label>
        {mixed(
          l10n.t('Compare with {0}'),
          <select
            aria-label={l10n.t('Compare with')}
            value={other ? JSON.stringify(other) : ''}
            onChange={({ currentTarget: { value } }) =>
              choose(value === '' ? undefined : (JSON.parse(value) as OtherChoice))
            }
          >
            <option value="">{l10n.t('nothing')}</option>
            {choices.map((choice) => (
              <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
                {nameOf(choice)}
              </option>
            ))}
          </select>,
        )}
      </label>
      {diff && <span class="plan-diff">{diffText(plan, diff)}</span>}
      {diff && <RungMark rung={diff.rung} />}
    </div>
  );
}

const nameOf = (choice: OtherChoice): string =>
  choice.kind === 'preset' ? choice.fileType : baseName(choice.file);

const baseName = (file: string): string => file.replace(/^.*[\\/]/, '');

/** "12 tensors have another format in Q4_K_M: 3.15 MB, KL divergence 0.0016". */
function diffText({ assignments }: Plan, { name, total, changed }: PlanDiff): string {
  const all = assignments.length.toLocaleString('en-US');
  const tensors =
    changed.length === 0
      ? l10n.t('All formats are those of {0}', name)
      : changed.length === 1
        ? l10n.t('{0} of {1} has another format in {2}', plural(1, 'tensor'), all, name)
        : l10n.t('{0} of {1} have another format in {2}', plural(changed.length, 'tensor'), all, name);
  const divergence =
    total.divergence === undefined
      ? ''
      : l10n.t(', predicted KL divergence {0}', figure(total.divergence, 3));
  return `${tensors} (${size(total.fileBytes ?? total.bytes)}${divergence}).`;
}

/**
 * Plans that were measured as a whole, next to the model or in this window: what they predicted, and what came of it.
 * @param props.disabled while another plan is being solved.
 */
export function MeasuredPlans({ saved, disabled }: { saved: readonly SavedPlan[]; disabled: boolean }) {
  const ask = useAsk();
  const measured = saved.flatMap(({ certificate, ...plan }) =>
    certificate ? [{ ...plan, certificate }] : [],
  );
  if (measured.length === 0) return null;
  return (
    <details class="measured-plans" open>
      <summary>{l10n.t('Measured plans')}</summary>
      <div class="why-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">{l10n.t('File')}</th>
              <th scope="col">{l10n.t('Size')}</th>
              <th scope="col">{l10n.t('Predicted')}</th>
              <th scope="col" title={l10n.t('Mean KL divergence over the text, with its standard error')}>
                {mixed(l10n.t('Measured {0}'), <RungMark rung="joint" />)}
              </th>
              <th scope="col">{l10n.t('Same top token')}</th>
              <th scope="col">{l10n.t('Text')}</th>
              <th scope="col">
                <span class="hidden">{l10n.t('Choose')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {measured.map(({ file, total, rung, isUnsaved, certificate }) => (
              <tr key={file}>
                <th scope="row">{isUnsaved ? l10n.t('not saved') : baseName(file)}</th>
                <td>{size(total.fileBytes ?? total.bytes)}</td>
                <td>
                  {certificate.predicted === undefined ? (
                    '–'
                  ) : (
                    <>
                      {figure(certificate.predicted, 3)} <RungMark rung={rung} />
                    </>
                  )}
                </td>
                <td>{estimateText(certificate.measured.mean)}</td>
                <td>{(100 * certificate.measured.sameTopToken).toFixed(1)} %</td>
                <td>
                  {l10n.t(
                    '{0}, {1} tokens',
                    certificate.text.file,
                    certificate.text.tokens.toLocaleString('en-US'),
                  )}
                </td>
                <td>
                  <button class="link" disabled={disabled} onClick={() => void ask('showPlan', { file })}>
                    {l10n.t('Show')}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
