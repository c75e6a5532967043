import { QuantscopeError } from '../../model/errors';
import { describing, listedClass } from '../classNames';
import type { VisionDescription } from './description';
import { mistral3Vision, pixtralVision } from './families/pixtral';
import { pixtralParamsVision } from './families/pixtralParams';
import { qwen25vlVision, qwen2vlVision, qwen35Vision, qwen3vlVision } from './families/qwenVl';
import { gemma3Vision, idefics3Vision } from './families/siglip';
import { said } from '../../protocol/said';

/** Every vision part that can be exported. A new one takes a description in families/, a line here and a test. */
export const visionParts: readonly VisionDescription[] = [
  qwen2vlVision,
  qwen25vlVision,
  qwen3vlVision,
  qwen35Vision,
  gemma3Vision,
  pixtralVision,
  mistral3Vision,
  pixtralParamsVision,
  idefics3Vision,
];

type Config = Readonly<Record<string, unknown>>;

/** The description of the vision part of a config.json, as for language parts; undefined where there is none. */
export const findVision = (config: Config): VisionDescription | undefined => describing(visionParts, config);

/** @throws QuantscopeError UNSUPPORTED naming the models whose vision part can be exported. */
export function visionFor(config: Config, file: string): VisionDescription {
  const found = findVision(config);
  if (found) return found;
  const type = config['model_type'];
  const asked = listedClass(config) ?? (typeof type === 'string' ? type : 'this model');
  const families = visionParts.map(({ family }) => family).join(', ');
  const message = said`There is no description of a vision part of ${asked}. Those of these models can be exported: ${families}.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}
