import * as l10n from '@vscode/l10n';
import { mixed } from '../mixed';
import { useState } from 'preact/hooks';
import { dangerLine, dangerTitle } from '../../src/protocol/dangerText';
import { limitNote } from '../../src/protocol/limitNote';
import { printable } from '../../src/protocol/printable';
import type { ModelDescription } from '../../src/protocol/model';
import type { JobState } from '../../src/protocol/editorState';
import { useAppState, useAsk } from '../context';
import { Button } from '../controls';
import { DamageNotice } from './Damage';
import { LongText } from './LongText';
import { Failed } from './states';

/** What the user should know, under the header: notes and warnings about the model, and what did not happen. */
export function Notices({ model }: { model: ModelDescription }) {
  const { job, limits = {}, problem, tab } = useAppState();
  const limit = limitNote(limits);
  // The page about the whole model lists them among its findings.
  const isListed = tab === 'model';
  return (
    <>
      <DangerNotice model={model} />
      <DamageNotice />
      <PartNotice model={model} />
      {(isListed ? [] : [...model.notes, ...(limit === undefined ? [] : [limit])]).map((note) => (
        <p key={note} class="notice note">
          <LongText text={note} />
        </p>
      ))}
      {(isListed ? [] : model.warnings).map((warning) => (
        <p key={warning} class="notice warning">
          <LongText text={warning} />
        </p>
      ))}
      {problem !== undefined && <Failed message={problem} />}
      <EndOfJob job={job} />
    </>
  );
}

/** Dangers that are listed before the user asks for the rest. */
const shownDangers = 5;

/** What the files would have Python run, before everything else. */
function DangerNotice({ model }: { model: ModelDescription }) {
  const [isOpen, setOpen] = useState(false);
  const title = dangerTitle(model);
  const { dangers = [] } = model;
  if (title === undefined) return null;
  const shown = isOpen ? dangers : dangers.slice(0, shownDangers);
  return (
    <div class="notice danger" role="alert">
      <strong>{l10n.t('Danger: loading this model in Python can run code.')}</strong> {title}
      <ul>
        {shown.map((danger) => (
          <li key={`${danger.file} ${danger.name}`}>
            <code>{printable(dangerLine(danger))}</code>
          </li>
        ))}
      </ul>
      {dangers.length > shownDangers && (
        <button class="link" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? l10n.t('Show less') : l10n.t('Show all {0}', dangers.length)}
        </button>
      )}
    </div>
  );
}

/** Of an editor that was opened with one file of a model: that the whole model is shown, or that one file alone. */
function PartNotice({ model: { name, format } }: { model: ModelDescription }) {
  const { part } = useAppState();
  const ask = useAsk();
  if (!part) return null;
  const isGguf = format === 'gguf';
  const which = isGguf
    ? l10n.t('{0} is part {1} of {2}', part.file, part.number, part.count)
    : l10n.t('{0} is shard {1} of {2}', part.file, part.number, part.count);
  const alone = isGguf ? l10n.t('Show this part alone') : l10n.t('Show this shard alone');
  return (
    <div class="notice note with-action">
      <span>
        {part.alone
          ? l10n.t('{0}, shown alone.', which)
          : l10n.t('{0}; the whole model {1} is shown.', which, name)}
      </span>
      <Button onClick={() => void ask('openAlone', { alone: !part.alone })}>
        {part.alone ? l10n.t('Show the whole model') : alone}
      </Button>
    </div>
  );
}

function EndOfJob({ job }: { job: JobState }) {
  const ask = useAsk();
  switch (job.kind) {
    case 'idle':
    case 'running':
      return null;
    case 'failed':
      return (
        <p class="notice error" role="alert">
          {mixed(l10n.t('{0} failed. {1}'), job.title, <LongText text={job.message} />)}
        </p>
      );
    case 'engine-died':
      return (
        <div class="notice error with-action" role="alert">
          <span>
            {mixed(
              l10n.t('{0}: the engine process ended. {1}'),
              job.title,
              job.resumable && l10n.t('Finished work is kept; a restart resumes from there.'),
            )}
            <span class="muted">
              {' '}
              <LongText text={job.message} />
            </span>
          </span>
          <Button primary onClick={() => void ask('resumeJob', {})}>
            {job.resumable ? l10n.t('Restart and Resume') : l10n.t('Restart')}
          </Button>
        </div>
      );
  }
}
