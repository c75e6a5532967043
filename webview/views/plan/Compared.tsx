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
        Compare with{' '}
        <select
          aria-label="Compare with"
          value={other ? JSON.stringify(other) : ''}
          onChange={({ currentTarget: { value } }) =>
            choose(value === '' ? undefined : (JSON.parse(value) as OtherChoice))
          }
        >
          <option value="">nothing</option>
          {choices.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {nameOf(choice)}
            </option>
          ))}
        </select>
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
  const tensors =
    changed.length === 0
      ? `All formats are those of ${name}`
      : `${plural(changed.length, 'tensor')} of ${assignments.length.toLocaleString('en-US')} ${changed.length === 1 ? 'has' : 'have'} another format in ${name}`;
  const divergence =
    total.divergence === undefined ? '' : `, predicted KL divergence ${figure(total.divergence, 3)}`;
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
      <summary>Measured plans</summary>
      <div class="why-scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col">Size</th>
              <th scope="col">Predicted</th>
              <th scope="col" title="Mean KL divergence over the text, with its standard error">
                Measured <RungMark rung="joint" />
              </th>
              <th scope="col">Same top token</th>
              <th scope="col">Text</th>
              <th scope="col">
                <span class="hidden">Choose</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {measured.map(({ file, total, rung, isUnsaved, certificate }) => (
              <tr key={file}>
                <th scope="row">{isUnsaved ? 'not saved' : baseName(file)}</th>
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
                  {certificate.text.file}, {certificate.text.tokens.toLocaleString('en-US')} tokens
                </td>
                <td>
                  <button class="link" disabled={disabled} onClick={() => void ask('showPlan', { file })}>
                    Show
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
