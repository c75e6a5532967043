import type { ModelDescription } from '../../src/protocol/model';
import { plural, size } from '../../src/protocol/words';
import { useAppState } from '../context';
import { bits, count } from '../format';
import { narrowQuery, useMedia } from '../useMedia';
import { Actions } from './Actions';
import { Notices } from './Notices';

/** The model in one line, and what can be done with it: in a narrow panel that is beside the pages. */
export function Header() {
  const { model } = useAppState();
  const isNarrow = useMedia(narrowQuery);
  if (!model) return null;
  return (
    <header>
      <div class="bar">
        <h1 title={model.path}>{model.name}</h1>
        <span class="facts">
          {factsOf(model).map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </span>
        {!isNarrow && <Actions />}
      </div>
      <Notices model={model} />
    </header>
  );
}

function factsOf(model: ModelDescription): string[] {
  const { format, version, architecture, parameters, dataBytes, weightFiles } = model;
  const { present, total } = weightFiles;
  const noun = format === 'gguf' ? 'part' : 'shard';
  return [
    architecture ?? 'unknown architecture',
    version === undefined ? format : `${format.toUpperCase()} v${version}`,
    `${count(parameters)} ${parameters === 1 ? 'parameter' : 'parameters'}${present < total ? ` in ${present} of ${plural(total, noun)}` : ''}`,
    size(dataBytes),
    ...(parameters > 0 ? [`${bits((8 * dataBytes) / parameters)} bits/weight`] : []),
    ...(total > 1 && present === total ? [plural(total, noun)] : []),
  ];
}
