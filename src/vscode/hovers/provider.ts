import * as vscode from 'vscode';
import type { NameMatch, NamePlace, NameQuery } from '../../protocol/names';
import type { GroupSuggestion, TensorSuggestion } from '../../protocol/planResults';
import { groupSuggestion, suggestionFrom } from '../../protocol/suggestion';
import { messageInLanguage } from '../../protocol/said';
import { whileWanted } from '../cancellation';
import { shownMessage } from '../host';
import { modelsAround } from '../modelsAround';
import { folderOf } from '../paths';
import { storedParams } from '../sensitivityJob';
import type { Services } from '../services';
import { groupText, tensorText, type Known, type TensorMatch } from './hoverText';
import { hoverLinks } from './links';

/** Characters of a document above which only the line of the pointer is parsed: indexes of large models. */
const maxParsed = 500_000;

const languages: vscode.DocumentSelector = [
  ...['python', 'json', 'jsonc', 'yaml', 'shellscript', 'markdown'].flatMap((language) =>
    ['file', 'vscode-notebook-cell'].map((scheme) => ({ language, scheme })),
  ),
];

/**
 * Hovers over names of tensors and modules, and over patterns of them: what they are, which formats are suggested, and the errors that led to
 * that. The engine reads headers; nothing is shown where no model has such a name.
 */
export function registerHovers(services: Services): vscode.Disposable {
  return vscode.languages.registerHoverProvider(languages, {
    async provideHover(document, position, cancellation) {
      const named = await placeIn(document, position);
      if (!named || cancellation.isCancellationRequested) return undefined;
      try {
        return await whileWanted(cancellation, async (signal) => {
          const matches = await find(services, named.query, document.uri, signal);
          const contents = await contentsOf(services, named.query, matches, signal);
          return contents && new vscode.Hover(contents, named.range);
        });
      } catch (error) {
        if (cancellation.isCancellationRequested) return undefined;
        throw error;
      }
    },
  });
}

/** The name at a position; parsers are loaded by the first hover. */
async function placeIn(
  document: vscode.TextDocument,
  position: vscode.Position,
): Promise<{ range: vscode.Range; query: NameQuery } | undefined> {
  const { nameAt } = await import('./documents/nameAt');
  const file = document.uri.path.split('/').at(-1)!;
  const lastLine = document.lineAt(document.lineCount - 1).range.end;
  const isLarge = document.offsetAt(lastLine) > maxParsed;
  const start = isLarge ? document.offsetAt(position.with({ character: 0 })) : 0;
  const text = isLarge ? document.lineAt(position).text : document.getText();
  const place: NamePlace | undefined = nameAt(
    document.languageId,
    text,
    document.offsetAt(position) - start,
    file,
  );
  if (!place) return undefined;
  const [from, to] = [place.start, place.end].map((offset) => document.positionAt(start + offset));
  return { range: new vscode.Range(from!, to!), query: place.query };
}

/** What a query means in the models around a document. */
async function find(
  services: Services,
  query: NameQuery,
  document: vscode.Uri,
  signal: AbortSignal,
): Promise<readonly NameMatch[]> {
  const paths = await modelsAround(services, document);
  return paths.length === 0 ? [] : services.engine.call('names/lookup', { paths, query }, { signal });
}

async function contentsOf(
  services: Services,
  query: NameQuery,
  [match, ...others]: readonly NameMatch[],
  signal: AbortSignal,
): Promise<vscode.MarkdownString[] | undefined> {
  if (!match) return undefined;
  if (isTensor(match)) {
    const known = await knownOf(suggestionFor(services, match, signal), signal);
    return [described(tensorText(match, known, others)), hoverLinks(match, isEstimate(known))];
  }
  const known = await knownOf(suggestionForGroup(services, match, signal), signal);
  return [described(groupText(query.text, match, known, others)), hoverLinks(match, isEstimate(known))];
}

const isTensor = (match: NameMatch): match is TensorMatch => match.tensor !== undefined;

const isEstimate = (known: Known<{ readonly isEstimate?: true }>): boolean =>
  'suggestion' in known && known.suggestion?.isEstimate === true;

/** A suggestion, or why there is none: the name is described all the same. */
async function knownOf<T>(suggestion: Promise<T | undefined>, signal: AbortSignal): Promise<Known<T>> {
  try {
    return { suggestion: messageInLanguage(await suggestion) as T | undefined };
  } catch (error) {
    if (signal.aborted) throw error;
    return { problem: shownMessage(error) };
  }
}

/** From the open editor's plan and table, else from disk by the same settings, else an estimate. */
async function suggestionFor(
  services: Services,
  { model: { path }, tensor }: TensorMatch,
  signal: AbortSignal,
): Promise<TensorSuggestion> {
  const figures = await shownFigures(services, path);
  if (figures) return suggestionFrom(figures.sensitivity, figures.plan, tensor.name);
  const params = { ...storedOf(services, path), tensor: tensor.name, estimated: true };
  return services.engine.call('tensor/suggestion', params, { signal });
}

async function suggestionForGroup(
  services: Services,
  { model: { path }, rows }: NameMatch,
  signal: AbortSignal,
): Promise<GroupSuggestion | undefined> {
  const figures = await shownFigures(services, path);
  if (figures) return groupSuggestion(figures.sensitivity, figures.plan, rows);
  return services.engine.call('group/suggestion', { ...storedOf(services, path), rows }, { signal });
}

/** The session of a model whose editor shows a plan. */
async function shownFigures({ sessions }: Services, path: string) {
  const session = sessions.all().find((item) => item.path === path && !item.alone && item.description);
  await session?.ensureLoaded();
  return session?.plan ? session : undefined;
}

const storedOf = ({ sensitivityDir, measuringOf }: Services, path: string) =>
  storedParams({ path }, sensitivityDir, measuringOf(path, folderOf(path)));

/** Text from files: it must not contain commands, links or HTML. */
function described(text: string): vscode.MarkdownString {
  const markdown = new vscode.MarkdownString(text);
  markdown.isTrusted = false;
  markdown.supportHtml = false;
  return markdown;
}
