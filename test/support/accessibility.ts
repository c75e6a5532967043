/// <reference lib="dom" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { FrameLocator } from 'playwright-core';

/** What axe-core reports, as far as it is used. */
interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly help: string;
    readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
  }[];
}

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * What keeps people from using the page as it is shown now: violations that axe-core calls serious or critical, one line each, with the
 * element.
 */
export async function seriousViolations(frame: FrameLocator): Promise<string[]> {
  const results = await frame.locator('body').evaluate(async (body, text) => {
    const page = globalThis as unknown as { axe?: { run(root: Node): Promise<AxeResults> } };
    if (!page.axe) (0, eval)(text);
    return page.axe!.run(body);
  }, source);
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary = '' }) => {
        const [, detail = ''] = failureSummary.split('\n');
        return `${id}: ${target.join(' ')} – ${detail.trim() || help}`;
      }),
    );
}
