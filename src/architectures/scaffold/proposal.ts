import type { TensorDescriptor } from '../../protocol/model';
import type { ScaffoldedModel } from '../../protocol/scaffold';
import { plural } from '../../protocol/words';
import { listedClass } from '../classNames';
import type { ArchitectureDescription } from '../description';
import { describe, type ProposedPart, type Proposal } from './descriptionText';
import { knownPart, likeness, unreadKeys, type KnownParts } from './nearest';
import { namedParts, type NamedPart } from './partNames';
import { missingKeys, shapeText, sizesOf } from './shapes';

/**
 * Proposes a description from config.json and the names and shapes of tensors. Reads no weights.
 * @param descriptions those to learn names from.
 */
export function scaffoldModel(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>>,
  descriptions: readonly ArchitectureDescription[],
): ScaffoldedModel {
  const names = namedParts(tensors);
  const known = likeness(descriptions, config, names);
  const stems = new Set(names.inBlocks.map(({ stem }) => stem));
  const sizes = sizesOf(config);
  const propose = (part: NamedPart): ProposedPart | undefined => {
    const found = knownPart(known, part, stems);
    if (!found || part.isBare) return undefined;
    const shape = shapeText(found.to, part.shape, sizes);
    return { ...part, ...found, shape, isPartial: part.blocks > 0 && part.blocks < names.blocks };
  };
  const all = [...names.outer, ...names.inBlocks].map((part) => ({ part, proposed: propose(part) }));
  const proposed = all.flatMap((item) => item.proposed ?? []);
  const unknown = all.flatMap(({ part, proposed: found }) => (found ? [] : [unknownText(part)]));
  const unread = unreadKeys(descriptions, config);
  const share = config['partial_rotary_factor'];
  const proposal: Proposal = {
    ...namesOf(config),
    ...{ prefix: names.prefix, layers: names.layers },
    outer: proposed.filter(({ blocks }) => blocks === 0),
    inBlocks: proposed.filter(({ blocks }) => blocks > 0),
    activation: config['hidden_act'],
    rotatedShare: typeof share === 'number' ? share : undefined,
    epsilon: Object.keys(config).find((key) => key !== 'rms_norm_eps' && /_eps(ilon)?$/.test(key)),
    hasRms: 'rms_norm_eps' in config,
    remarks: [
      nearestText(known[0]),
      ...missingKeys(config).map((text) => `The configuration has other names: ${text}.`),
      ...unknown.map((text) => `Not recognised: ${text}.`),
      ...unread.map((key) => `No description reads ${JSON.stringify(key)} of config.json.`),
    ],
  };
  return {
    text: describe(proposal),
    nearest: known[0]?.description.name,
    recognised: Object.fromEntries(proposed.map(({ stem, to }) => [stem, to])),
    ...{ unknown, unread },
  };
}

/** Name, class and `model_type`. */
function namesOf(config: Readonly<Record<string, unknown>>) {
  const className = listedClass(config);
  const type = config['model_type'];
  const modelType = typeof type === 'string' ? type : (className ?? 'model').toLowerCase();
  return { className: className ?? 'ModelForCausalLM', modelType };
}

function nearestText(nearest: KnownParts | undefined): string {
  if (!nearest || nearest.likeness === 0) return 'No description has parts of these names.';
  const { description, likeness: share } = nearest;
  const [className = ''] = Object.keys(description.classes);
  return `The closest description is that of ${className}: ${Math.round(100 * share)} % of the parts of either are those of both.`;
}

function unknownText({ stem, shape, blocks, isBare }: NamedPart): string {
  const where = blocks === 0 ? '' : ` in ${plural(blocks, 'block')}`;
  return `${JSON.stringify(stem)}${isBare ? ' (without "weight")' : ''} [${shape.join(', ')}]${where}`;
}
