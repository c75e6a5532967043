import { config } from '@vscode/l10n';

// The host puts the texts of the display language into the page, where that is not English. Some modules hold texts in tables, so that this
// is the first import of the page.
const bundle = document.getElementById('l10n')?.textContent;
if (bundle) config({ contents: bundle });
