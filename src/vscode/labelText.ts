/** What VS Code shows an icon in place of. */
const icon = /\$\([a-z0-9-]+(?:~[a-z]+)?\)/gi;

/** A text in the status bar or a CodeLens, without icons. */
export const labelText = (text: string): string => text.replace(icon, '\\$&');
