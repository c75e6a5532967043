/** Scheme of documents that are models on servers. What follows "?" in an address is not in them: VS Code keeps and shows them. */
export const remoteScheme = 'quantscope-remote';

/** A document's address, in the parts that VS Code gives it. */
export interface RemoteParts {
  readonly scheme: string;
  /** The server. */
  readonly authority: string;
  /** "/https/FOLDER/FILE". */
  readonly path: string;
}

/** The document of a path on a server: "https://host/folder/file". */
export function remoteParts(path: string): RemoteParts {
  const [, protocol = '', authority = '', rest = ''] = /^(https?):\/\/([^/]*)(.*)$/.exec(path) ?? [];
  return { scheme: remoteScheme, authority, path: `/${protocol}${rest}` };
}

/** The path on a server of a document. */
export function pathOfParts({ authority, path }: Omit<RemoteParts, 'scheme'>): string {
  const [, protocol = 'https', rest = ''] = /^\/(https?)(\/.*)?$/.exec(path) ?? [];
  return `${protocol}://${authority}${rest}`;
}
