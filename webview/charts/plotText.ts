import { nameText } from '../format';

/** A name of a file's own in a chart: plotly reads tags and entities in its texts, which a name is not to have. */
export const plotText = (name: string): string =>
  nameText(name).replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
