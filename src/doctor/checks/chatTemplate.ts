import { exists, joinPlace, openSource } from '../../model/place';
import { boundedTemplate, maxTemplate, type BoundedTemplate } from '../../tokenizer/renderChat';
import type { Check, CheckContext } from '../check';
import type { Code } from '../codes';
import type { Patient } from '../patient';
import { tokenText, vocabularyOf } from '../vocabulary';

/** A template, and where it comes from. */
interface Source {
  readonly file: string;
  readonly key?: readonly string[];
  readonly text: string;
}

const [question, answer, rules] = ['What is up there?', 'A cloud.', 'Speak of the sky.'];
const user = { role: 'user', content: question };
const plain = [user];
const longer = [user, { role: 'assistant', content: answer }, { role: 'user', content: 'And below?' }];
const guided = [{ role: 'system', content: rules }, user];

/** Chat templates, rendered on short conversations, and those of several files against each other. */
export const chatTemplateCheck: Check = {
  codes: [
    ...(['chat-template/invalid', 'chat-template/does-not-render', 'chat-template/drops-text'] as const),
    ...(['chat-template/no-generation-prompt', 'chat-template/ignores-system'] as const),
    ...(['chat-template/differs', 'chat-template/missing'] as const),
  ],
  async run(patient, context) {
    if (!patient.hasSurroundings) return;
    const sources = await sourcesOf(patient);
    const [first, ...others] = sources;
    if (!first) return missing(patient, context);
    const tokens = await tokensOf(patient);
    for (const source of sources) tryOut(source, tokens, context);
    for (const { file, key, text } of others)
      if (text.trim() !== first.text.trim())
        context.report({
          ...{ code: 'chat-template/differs', file, ...(key ? { key } : {}) },
          message: `The template is not that of ${first.file.replace(/^.*[\\/]/, '')}, which transformers uses instead of it.`,
        });
  },
};

/** Templates, that which counts first. */
async function sourcesOf(patient: Patient): Promise<Source[]> {
  const found: Source[] = [];
  const { gguf, description } = patient.model!;
  const key = 'tokenizer.chat_template';
  const stored = gguf?.metadata.get(key)?.scalar;
  const inFolder: Source[] = [];
  const file = joinPlace(patient.folder, 'chat_template.jinja');
  if (await exists(file)) inFolder.push({ file, text: await readText(file) });
  const config = await patient.json('tokenizer_config.json');
  const text = config?.value?.['chat_template'];
  if (config && typeof text === 'string') inFolder.push({ file: config.file, key: ['chat_template'], text });
  if (gguf) {
    if (typeof stored === 'string')
      found.push({ file: description.files[0]?.path ?? description.path, key: [key], text: stored });
    return found; // files of other models may lie in the same folder
  }
  return [...found, ...inFolder];
}

async function readText(file: string): Promise<string> {
  const source = await openSource(file);
  try {
    return Buffer.from(await source.read(0, Math.min(source.size, 4 * maxTemplate))).toString('utf8');
  } finally {
    await source.close();
  }
}

/** Texts of special tokens that templates insert. */
async function tokensOf(patient: Patient): Promise<Readonly<Record<string, string>>> {
  const config = (await patient.json('tokenizer_config.json'))?.value ?? {};
  const names = ['bos_token', 'eos_token', 'unk_token', 'pad_token'];
  return Object.fromEntries(names.map((name) => [name, tokenText(config[name]) ?? '']));
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 300);

function tryOut(source: Source, tokens: Readonly<Record<string, string>>, { report }: CheckContext): void {
  const { file, key } = source;
  const say = (code: Code, message: string): void => report({ code, file, ...(key ? { key } : {}), message });
  const template = parsed(source, say);
  if (!template) return;
  const render: Render = (messages, prompt = false) =>
    template.render({ ...tokens, messages, add_generation_prompt: prompt });
  if (rendersPlain(render, say)) rendersGuided(render, say);
}

type Say = (code: Code, message: string) => void;
type Render = (messages: typeof longer, prompt?: boolean) => string;

/** Undefined for a text that is no template, which is said. */
function parsed({ text, file }: Source, say: Say): BoundedTemplate | undefined {
  const code = 'chat-template/invalid';
  if (text.length > maxTemplate) {
    say(code, `The template has ${text.length} characters, which is too long for one.`);
    return undefined;
  }
  try {
    return boundedTemplate(text, file);
  } catch (error) {
    say(code, `It is not a Jinja template: ${reasonOf(error)}`);
    return undefined;
  }
}

/** A conversation of user and assistant. @returns whether it renders. */
function rendersPlain(render: Render, say: Say): boolean {
  try {
    const [whole, alone] = [render(longer), render(plain)];
    if (!whole.includes(question) || !whole.includes(answer) || !alone.includes(question))
      say('chat-template/drops-text', 'What the user or the assistant says is not in what it renders.');
    if (render(plain, true) === alone)
      say(
        'chat-template/no-generation-prompt',
        'With "add_generation_prompt" it renders the same as without.',
      );
    return true;
  } catch (error) {
    say('chat-template/does-not-render', `A conversation of user and assistant fails: ${reasonOf(error)}`);
    return false;
  }
}

/** One with a system message. */
function rendersGuided(render: Render, say: Say): void {
  const code = 'chat-template/ignores-system';
  try {
    if (!render(guided).includes(rules))
      say(code, 'The text of the system message is not in what it renders.');
  } catch (error) {
    say(code, `A system message is refused: ${reasonOf(error)}`);
  }
}

/** Tokens that begin a turn in ChatML are there for a chat; base models of other families have theirs without a template. */
async function missing(patient: Patient, { report }: CheckContext): Promise<void> {
  if (patient.model!.gguf) return;
  const tokenizer = await patient.json('tokenizer.json');
  const added = tokenizer?.value && vocabularyOf(tokenizer.value)?.addedTexts;
  if (!tokenizer || !added?.has('<|im_start|>') || !added.has('<|im_end|>')) return;
  const message = 'The tokenizer has tokens of a chat (<|im_start|>), but no file has a template.';
  report({ code: 'chat-template/missing', file: tokenizer.file, message });
}
