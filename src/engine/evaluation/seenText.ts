import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { Plan } from '../../protocol/plan';
import type { CertifyParams } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { gainsCut } from './chooseGains';
import { evidenceText } from './obtainEvidence';
import { contextLengthOf, planText } from './runPlan';

/**
 * Whether a text is the one that gains of a plan were measured over, its codes found over, or its swaps judged on: cut in the same way it has the same
 * tokens. Texts that share a part with it are not recognised. Further swaps leave the windows that certify them alone.
 * @param hash of the text as it is cut.
 * @throws QuantscopeError REQUEST naming what has seen the text.
 */
export async function refuseSeenText(
  model: Model,
  { gains, codes, certificate }: Plan,
  { text, device, cacheDir, improveFrom }: CertifyParams,
  { tokenizer, hash }: { readonly tokenizer: TextTokenizer; readonly hash: string },
  signal: AbortSignal,
): Promise<void> {
  if (improveFrom === undefined && certificate?.improvement?.isAdopted && certificate.text.hash === hash)
    throw seen(text, said`swaps were judged`);
  const gainsHash = async (cut: { readonly tokens: number; readonly context: number }): Promise<string> => {
    const length = await contextLengthOf(model, signal);
    return (await planText(text, tokenizer, gainsCut(cut), length, signal)).hash;
  };
  const codesHash = async (tokens: number): Promise<string> => {
    const settings = { text, needs: ['hessian'], device, tokens } as const;
    return (await evidenceText(model, settings, cacheDir, signal)).hash;
  };
  if (gains && (await hashOrNone(() => gainsHash(gains))) === gains.hash)
    throw seen(text, said`gains were measured`);
  if (codes && (await hashOrNone(() => codesHash(codes.tokens))) === codes.hash)
    throw seen(text, said`codes were found`);
}

/** A text that is too short to be cut in that way cannot have been used so. */
async function hashOrNone(hash: () => Promise<string>): Promise<string | undefined> {
  try {
    return await hash();
  } catch (error) {
    if (error instanceof QuantscopeError && error.code === 'REQUEST') return undefined;
    throw error;
  }
}

const seen = (file: string, what: string): QuantscopeError =>
  new QuantscopeError(
    'REQUEST',
    said`The plan's ${what} over this text, on which it looks better than it is: name another one.`,
    { file },
  );
