/** Keys of package.json under `contributes` and `capabilities` whose values VS Code shows. */
const shown = new Set([
  ...[
    'title',
    'shortTitle',
    'description',
    'markdownDescription',
    'displayName',
    'label',
    'name',
    'contents',
  ],
  ...[
    'deprecationMessage',
    'markdownDeprecationMessage',
    'patternErrorMessage',
    'altText',
    'contextualTitle',
  ],
  ...['enumDescriptions', 'markdownEnumDescriptions', 'enumItemLabels', 'detail', 'userDescription'],
]);

/** Names of things that have no translation: the product, and identifiers that share a key with texts. */
const names = /^(Quantscope|quantscope[\w-]*|\$quantscope[\w-]*|quantscope_\w+)$/;

/** What language models read, who are told in English what a tool does. */
const forModels = 'inputSchema';

/** The texts of a manifest that VS Code shows, with the path to each. Properties that the manifest itself names (settings) are not keys of it. */
export function manifestTexts(value: unknown, path = ''): { path: string; text: string }[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => manifestTexts(item, `${path}[${index}]`));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, item]) => {
    if (key === forModels) return [];
    const at = `${path}.${key}`;
    const texts: unknown[] = Array.isArray(item) ? item : [item];
    if (!shown.has(key) || texts.some((text) => typeof text !== 'string')) return manifestTexts(item, at);
    return texts.flatMap((text) =>
      names.test(text as string) || text === '' ? [] : { path: at, text: text as string },
    );
  });
}
