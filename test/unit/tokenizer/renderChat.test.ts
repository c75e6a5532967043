import { describe, expect, it } from 'vitest';
import { renderChat } from '../../../src/tokenizer/renderChat';

const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const question = [{ role: 'user', content: 'Why {{ 1 + 1 }}?' }] as const;
const render = (template: string, tokens = {}) => renderChat(template, question, tokens, 'config.json');

describe('a chat template', () => {
  it('writes the conversation up to where the assistant begins; what the user says is text', () => {
    expect(render(chatMl)).toBe('<|im_start|>user\nWhy {{ 1 + 1 }}?<|im_end|>\n<|im_start|>assistant\n');
  });

  it('has the texts of special tokens', () => {
    expect(render('{{ bos_token }}|{{ eos_token }}', { bos_token: '<s>', eos_token: '</s>' })).toBe(
      '<s>|</s>',
    );
  });

  it('may refuse a conversation, and says why', () => {
    const template = "{{ raise_exception('Roles must alternate') }}";
    expect(() => render(template)).toThrow(
      'The chat template refuses this conversation: Roles must alternate',
    );
  });

  it('that is none is an error of the file', () => {
    expect(() => render('{% for x in %}')).toThrow('The chat template is not a Jinja template');
    expect(() => render('{% for x in %}')).toThrow(expect.objectContaining({ code: 'MODEL_FILE' }));
  });

  it('that does not end is stopped', () => {
    const loops = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
    expect(() => render(loops)).toThrow('does not finish in 2 seconds');
  });
});
