import type * as vscode from 'vscode';
import type * as api from '../../../api/quantscope';
import { QuantscopeError } from '../../model/errors';
import { whileWanted } from '../cancellation';
import { openEditor } from '../editor/openEditor';
import { pathOf, uriOf } from '../remote/modelUri';
import { remoteScheme } from '../remote/remoteParts';
import type { Services } from '../services';
import { ApiModel } from './apiModel';

/** Of `api/quantscope.d.ts`, by semver. The major version is what `getApi` takes. */
const version = '1.0.0';

/** @throws QuantscopeError UNSUPPORTED for a version that there is not. */
export function apiOf(asked: number, services: Services): api.QuantscopeApi {
  if (asked !== 1)
    throw new QuantscopeError('UNSUPPORTED', `Quantscope has version 1 of its API, not ${String(asked)}.`);
  return {
    version,
    async findModels() {
      return (await services.workspaceModels.list()).map(({ file }) => uriOf(file));
    },
    async openModel(uri, token) {
      const path = await services.workspaceModels.fileOf(placeOf(uri));
      return whileWanted(token, (signal) => ApiModel.open(path, services, signal));
    },
    async showModel(uri, { tensor } = {}) {
      const path = await services.workspaceModels.fileOf(placeOf(uri));
      const session = services.sessions.get(path);
      await openEditor(services, session, tensor === undefined ? {} : { tensor });
    },
  };
}

/** @throws QuantscopeError REQUEST for a document that is neither a file nor that of a model on a server. */
function placeOf(uri: vscode.Uri): string {
  if (uri.scheme === 'file' || uri.scheme === remoteScheme) return pathOf(uri);
  throw new QuantscopeError('REQUEST', `Models are files, not ${uri.scheme}: documents.`);
}
