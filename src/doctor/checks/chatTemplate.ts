import { exists, joinPlace, openSource } from '../../model/place';
import { boundedTemplate, maxTemplate, type BoundedTemplate } from '../../tokenizer/renderChat';
import type { Check, CheckContext } from '../check';
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

function tryOut(
  { file, key, text }: Source,
  tokens: Readonly<Record<string, string>>,
  { report }: CheckContext,
): void {
  const place = { file, ...(key ? { key } : {}) };
  if (text.length > maxTemplate)
    return report({
      code: 'chat-template/invalid',
      ...place,
      message: `The template has ${text.length} characters, which is too long for one.`,
    });
  let template: BoundedTemplate;
  try {
    template = boundedTemplate(text, file);
  } catch (error) {
    return report({
      code: 'chat-template/invalid',
      ...place,
      message: `It is not a Jinja template: ${reasonOf(error)}`,
    });
  }
  const render = (messages: typeof longer, prompt = false): string =>
    template.render({
      ...tokens,
      messages,
      add_generation_prompt: prompt,
    });
  let rendered: string;
  try {
    rendered = render(longer);
    const alone = render(plain);
    if (!rendered.includes(question) || !rendered.includes(answer) || !alone.includes(question))
      report({
        code: 'chat-template/drops-text',
        ...place,
        message: 'What the user or the assistant says is not in what it renders.',
      });
    if (render(plain, true) === alone)
      report({
        code: 'chat-template/no-generation-prompt',
        ...place,
        message: 'With "add_generation_prompt" it renders the same as without.',
      });
  } catch (error) {
    return report({
      code: 'chat-template/does-not-render',
      ...place,
      message: `A conversation of user and assistant fails: ${reasonOf(error)}`,
    });
  }
  try {
    if (!render(guided).includes(rules))
      report({
        code: 'chat-template/ignores-system',
        ...place,
        message: 'The text of the system message is not in what it renders.',
      });
  } catch (error) {
    report({
      code: 'chat-template/ignores-system',
      ...place,
      message: `A system message is refused: ${reasonOf(error)}`,
    });
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
