import type * as vscode from 'vscode';

/** Times that a text is made shorter before only the note about it is left: each counts its tokens, which the caller does. */
const attempts = 8;
/** Share of the room that a cut text is meant to take: tokens are spread unevenly. */
const share = 0.9;

/**
 * An answer within what the caller has room for: the text and the data where both fit, the text where it fits, else its first lines and a note that says
 * how many were left out.
 * @param room absent for a caller that takes everything. @returns the parts of the answer.
 */
export async function withinRoom(
  text: string,
  data: string,
  room: vscode.LanguageModelToolTokenizationOptions | undefined,
  token: vscode.CancellationToken,
): Promise<readonly string[]> {
  if (!room) return [text, data];
  const tokens = async (part: string): Promise<number> => room.countTokens(part, token);
  if ((await tokens(`${text}\n${data}`)) <= room.tokenBudget) return [text, data];
  let size = await tokens(text);
  if (size <= room.tokenBudget) return [text];
  const lines = text.split('\n');
  let cut = { text, lines: lines.length };
  for (let attempt = 0; attempt < attempts && cut.lines > 0; attempt++) {
    cut = firstLines(lines, Math.floor((cut.text.length * share * room.tokenBudget) / size));
    size = await tokens(cut.text);
    if (size <= room.tokenBudget) break;
  }
  return [size <= room.tokenBudget ? cut.text : cutNote(0, lines.length)];
}

/** As many lines as a number of characters holds, with the note. */
function firstLines(lines: readonly string[], characters: number): { text: string; lines: number } {
  let kept = 0;
  let left = characters - cutNote(lines.length, lines.length).length;
  for (; kept < lines.length - 1 && left > lines[kept]!.length; kept++) left -= lines[kept]!.length + 1;
  return { text: [...lines.slice(0, kept), cutNote(kept, lines.length)].join('\n'), lines: kept };
}

const cutNote = (kept: number, all: number): string =>
  `[Cut to the room that the caller has: ${kept} of ${all} lines. Ask for less to get all of it.]`;
