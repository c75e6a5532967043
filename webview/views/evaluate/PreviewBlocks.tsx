import * as l10n from '@vscode/l10n';
import type { PreviewResult } from '../../../src/protocol/preview';
import { plural } from '../../../src/protocol/words';
import { BlockErrorChart } from '../../charts/BlockErrorChart';
import { decibels, number, percent } from '../../format';
import { Figure } from '../Figure';

/** The error of each block, of its own and accumulated, and what reaches the output. */
export function PreviewBlocks({ result }: { result: PreviewResult }) {
  const { variant, tokens, blocks, output, divergence, sameTopToken } = result;
  const { perplexity, originalPerplexity } = result;
  return (
    <section class="run preview" aria-label={l10n.t('Errors by block')}>
      <h3>{l10n.t('{0}, over {1}', variant, plural(tokens, 'token'))}</h3>
      <dl class="totals">
        <Figure name={l10n.t('error at the output')} value={percent(Math.sqrt(output))} />
        <Figure name={l10n.t('SQNR at the output')} value={decibels(output, 2)} />
        <Figure
          name={l10n.t('mean KLD')}
          value={`${number(divergence.value, 4)} ± ${number(divergence.standardError, 2)}`}
        />
        <Figure name={l10n.t('perplexity')} value={number(perplexity.value)} />
        <Figure name={l10n.t('perplexity of the original')} value={number(originalPerplexity.value)} />
        <Figure name={l10n.t('same top token')} value={percent(sameTopToken.value)} />
      </dl>
      <BlockErrorChart blocks={blocks} />
      <div class="wide-table" tabIndex={0} role="region" aria-label={l10n.t('Errors by block')}>
        <table class="blocks">
          <thead>
            <tr>
              <th scope="col">{l10n.t('Block')}</th>
              <th scope="col" title={l10n.t('The block alone is quantized')}>
                {l10n.t('This block alone')}
              </th>
              <th scope="col">{l10n.t('SQNR')}</th>
              <th scope="col" title={l10n.t('All blocks up to this one are quantized')}>
                {l10n.t('All up to it')}
              </th>
              <th scope="col">{l10n.t('SQNR')}</th>
            </tr>
          </thead>
          <tbody>
            {blocks.map(({ block, own, accumulated }) => (
              <tr key={block}>
                <th scope="row">{block}</th>
                <td>{percent(Math.sqrt(own))}</td>
                <td>{decibels(own, 1)}</td>
                <td>{percent(Math.sqrt(accumulated))}</td>
                <td>{decibels(accumulated, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
