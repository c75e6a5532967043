import { config } from '@vscode/l10n';
import * as vscode from 'vscode';

// Modules without 'vscode' take their texts from the same bundle. Some hold texts in tables, so that this is the first import of the
// extension. There is no bundle where the display language is English.
if (vscode.l10n.bundle) config({ contents: vscode.l10n.bundle });
