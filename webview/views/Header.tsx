import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { ModelDescription } from '../../src/protocol/model';
import { plural, size } from '../../src/protocol/words';
import { useAppState } from '../context';
import { bits, count } from '../format';
import { narrowQuery, useMedia } from '../useMedia';
import { Actions } from './Actions';
import { Middle } from './Middle';
import { Notices } from './Notices';

/** The model in one line, and what can be done with it: in a narrow panel that is beside the pages. */
export function Header() {
  const { model } = useAppState();
  const isNarrow = useMedia(narrowQuery);
  const facts = useMemo(() => (model ? factsOf(model) : []), [model]);
  if (!model) return null;
  return (
    <header>
      <div class="bar">
        <div class="model-line">
          <h1>
            <Middle text={model.name} title={model.path} />
          </h1>
          <span class="facts">
            {facts.map((fact) => (
              <span key={fact}>{fact}</span>
            ))}
          </span>
        </div>
        {!isNarrow && <Actions />}
      </div>
      <Notices model={model} />
    </header>
  );
}

/** Family, parameters, dtype and size, shards. */
const parametersText = (parameters: number): string =>
  parameters === 1 ? l10n.t('{0} parameter', parameters) : l10n.t('{0} parameters', count(parameters));

function factsOf(model: ModelDescription): string[] {
  const { format, architecture, parameters, weightFiles } = model;
  const { present, total } = weightFiles;
  const noun = format === 'gguf' ? 'part' : 'shard';
  return [
    architecture ?? l10n.t('unknown architecture'),
    `${parametersText(parameters)}${present < total ? l10n.t(' in {0} of {1}', present, plural(total, noun)) : ''}`,
    sizeOf(model),
    ...(total > 1 && present === total ? [plural(total, noun)] : []),
  ];
}

/** Share of the bytes from which on a dtype stands for all of them. */
const mostBytes = 0.95;

/** "BF16 16.06 GB", or "4.92 GB, 4.91 bits per weight" where there are several types. */
function sizeOf({ tensors, dataBytes, parameters }: ModelDescription): string {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of tensors) bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  const [main] = [...bytes].sort(([, a], [, b]) => b - a);
  if (main && main[1] >= mostBytes * dataBytes) return `${main[0]} ${size(dataBytes)}`;
  return parameters > 0
    ? l10n.t('{0}, {1} bits per weight', size(dataBytes), bits((8 * dataBytes) / parameters))
    : size(dataBytes);
}
