import { QuantscopeError } from '../../model/errors';
import { exists, joinPlace, openSource } from '../../model/place';
import { standardTemplate } from '../../tokenizer/chatTemplates';
import { boundedTemplate, maxTemplate, type BoundedTemplate } from '../../tokenizer/renderChat';
import type { Check, CheckContext } from '../check';
import type { Code } from '../codes';
import { bareMessage, placeOf, type Patient } from '../patient';
import { tokenText, vocabularyOf } from '../vocabulary';
import { said } from '../../protocol/said';

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
    const sources = await sourcesOf(patient, context);
    if (!sources) return;
    const [first, ...others] = sources;
    if (!first) return missing(patient, context);
    const tokens = await tokensOf(patient);
    for (const source of sources) tryOut(source, tokens, context);
    for (const { file, key, text } of others)
      if (text.trim() !== first.text.trim())
        context.report({
          ...{ code: 'chat-template/differs', file, ...(key ? { key } : {}) },
          message: said`The template is not that of ${first.file.replace(/^.*[\\/]/, '')}, which transformers uses instead of it.`,
        });
  },
};

/** Templates, that which counts first; undefined where what a file states is none, which is reported. */
async function sourcesOf(patient: Patient, { report }: CheckContext): Promise<Source[] | undefined> {
  const { gguf, description } = patient.model!;
  if (gguf) {
    const key = 'tokenizer.chat_template';
    const text = gguf.metadata.get(key)?.scalar;
    const file = description.files[0]?.path ?? description.path;
    return typeof text === 'string' ? [{ file, key: [key], text }] : []; // files of other models may lie in the same folder
  }
  const file = joinPlace(patient.folder, 'chat_template.jinja');
  const own: Source[] = (await exists(file)) ? [{ file, text: await readText(file) }] : [];
  try {
    const found = [...own, ...(await statedIn('tokenizer_config.json', patient))];
    // That of a processor counts where there is nothing else.
    return found.length > 0 ? found : await statedIn('chat_template.json', patient);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
    const place = { ...placeOf(error, patient.path), key: ['chat_template'] };
    report({ code: 'chat-template/invalid', ...place, message: bareMessage(error) });
    return undefined;
  }
}

/** The template of a JSON file, or the standard one of several with names. @throws QuantscopeError MODEL_FILE where it is neither. */
async function statedIn(name: string, patient: Patient): Promise<Source[]> {
  const json = await patient.json(name);
  if (!json?.value) return [];
  const text = standardTemplate(json.value['chat_template'], json.file);
  return text === undefined ? [] : [{ file: json.file, key: ['chat_template'], text }];
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
    say(code, said`The template has ${text.length} characters, which is too long for one.`);
    return undefined;
  }
  try {
    return boundedTemplate(text, file);
  } catch (error) {
    say(code, said`It is not a Jinja template: ${reasonOf(error)}`);
    return undefined;
  }
}

/** A conversation of user and assistant. @returns whether it renders. */
function rendersPlain(render: Render, say: Say): boolean {
  try {
    const [whole, alone] = [render(longer), render(plain)];
    if (!whole.includes(question) || !whole.includes(answer) || !alone.includes(question))
      say('chat-template/drops-text', said`What the user or the assistant says is not in what it renders.`);
    if (render(plain, true) === alone)
      say(
        'chat-template/no-generation-prompt',
        said`With "add_generation_prompt" it renders the same as without.`,
      );
    return true;
  } catch (error) {
    say(
      'chat-template/does-not-render',
      said`A conversation of user and assistant fails: ${reasonOf(error)}`,
    );
    return false;
  }
}

/** One with a system message. */
function rendersGuided(render: Render, say: Say): void {
  const code = 'chat-template/ignores-system';
  try {
    if (!render(guided).includes(rules))
      say(code, said`The text of the system message is not in what it renders.`);
  } catch (error) {
    say(code, said`A system message is refused: ${reasonOf(error)}`);
  }
}

/** Tokens that begin a turn in ChatML are there for a chat; base models of other families have theirs without a template. */
async function missing(patient: Patient, { report }: CheckContext): Promise<void> {
  if (patient.model!.gguf) return;
  const tokenizer = await patient.json('tokenizer.json');
  const added = tokenizer?.value && vocabularyOf(tokenizer.value)?.addedTexts;
  if (!tokenizer || !added?.has('<|im_start|>') || !added.has('<|im_end|>')) return;
  const message = said`The tokenizer has tokens of a chat (<|im_start|>), but no file has a template.`;
  report({ code: 'chat-template/missing', file: tokenizer.file, message });
}
