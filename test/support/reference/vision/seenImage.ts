import type { Checkpoint, Config } from '../checkpoint';
import type { Picture, SeenImage, Seeing } from './encoder';
import { pixtral, pixtralParams } from './pixtral';
import { qwen25vl, qwen2vl, qwen3vl } from './qwenVl';
import { gemma3, idefics3 } from './siglip';

const seeing: Readonly<Record<string, Seeing>> = {
  Qwen2VLForConditionalGeneration: qwen2vl,
  Qwen2_5_VLForConditionalGeneration: qwen25vl,
  Qwen3VLForConditionalGeneration: qwen3vl,
  Qwen3_5ForConditionalGeneration: qwen3vl,
  Gemma3ForConditionalGeneration: gemma3,
  LlavaForConditionalGeneration: pixtral,
  'params.json': pixtralParams,
  Mistral3ForConditionalGeneration: pixtral,
  SmolVLMForConditionalGeneration: idefics3,
};

/** What a language part gets of an image that needs no scaling. */
export function seenImage(checkpoint: Checkpoint, preprocessor: Config, image: Picture): SeenImage {
  const [name = ''] = checkpoint.config['architectures'] as string[];
  const see = seeing[name];
  if (!see) throw new Error(`There is no reference for the vision part of ${name}.`);
  return see(
    checkpoint,
    (checkpoint.config['vision_config'] ?? checkpoint.config['vision_encoder']) as Config,
    preprocessor,
    image,
  );
}
