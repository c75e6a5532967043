import type { IncomingHttpHeaders } from 'node:http';
import { hubAddress } from './address';
import { said } from '../../protocol/said';

/** Characters of a server's own words that are shown. */
const maxWords = 200;

/** Why a server did not give a file, and what can be done. */
export function statusMessage(path: string, status: number, headers: IncomingHttpHeaders): string {
  const known = messages[status];
  const message = known ? known(variableFor(path)) : said`The server answered with HTTP status ${status}.`;
  const words = wordsOf(headers['x-error-message']);
  return words === '' ? message : said`${message} It says: "${words}"`;
}

const messages: Readonly<Record<number, (variable: string) => string>> = {
  401: (variable) =>
    said`The server wants to know who asks (HTTP status 401): set a token in the environment variable ${variable}, or in VS Code by "Set Token for Remote Models…".`,
  403: (variable) =>
    said`The server refuses access (HTTP status 403): the token in ${variable} may not have the right, the terms of the model may not be accepted yet, or a presigned address has expired.`,
  404: () => said`The server has no such file (HTTP status 404).`,
  410: () => said`The server has the file no more (HTTP status 410).`,
  429: () => said`The server gets too many requests (HTTP status 429): try again later.`,
};

const variableFor = (path: string): string =>
  path.startsWith(`${hubAddress()}/`) ? 'HF_TOKEN' : 'QUANTSCOPE_TOKEN';

/** What a server says, as one line of plain text. */
function wordsOf(stated: string | readonly string[] | undefined): string {
  const text = typeof stated === 'string' ? stated : '';
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxWords);
}
