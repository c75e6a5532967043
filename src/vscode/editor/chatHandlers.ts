import * as vscode from 'vscode';
import type { ChatVariant, PanelVariant } from '../../protocol/chat';
import type { Handlers } from '../../protocol/rpc';
import type { WebviewRequests } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';
import { chosenDevice, type Services } from '../services';

type ChatHandlers = Pick<Handlers<WebviewRequests>, 'chat' | 'chatCauses'>;

/** Requests of the Chat mode of the Evaluate page. */
export function chatHandlers(services: Services, session: ModelSession): ChatHandlers {
  const { engine, evidenceDir: cacheDir } = services;
  const variantOf = async ({ usePlan, ...variant }: PanelVariant): Promise<ChatVariant> => ({
    ...variant,
    ...(await session.plans.file(usePlan)),
  });
  const usual = () => ({ ...session.ref, cacheDir, device: chosenDevice() });
  return {
    chat: async ({ settings }, { signal, progress }) =>
      engine.call(
        'chat/run',
        { ...usual(), ...settings, variant: await variantOf(settings.variant) },
        { signal, onProgress: progress, title: vscode.l10n.t('Chat with a variant') },
      ),
    chatCauses: async ({ variant, tokens }, { signal, progress }) =>
      engine.call(
        'chat/causes',
        { ...usual(), variant: await variantOf(variant), tokens },
        { signal, onProgress: progress, title: vscode.l10n.t('Tensors that moved a token') },
      ),
  };
}
