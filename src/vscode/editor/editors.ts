import type { CommandTab, EditorState } from '../../protocol/editorState';

/** What a command asks an editor to show. */
export interface EditorRequest {
  /** Tensor to select and scroll to. */
  readonly tensor?: string;
  readonly tab?: CommandTab;
}

/** What an open editor can be asked to do. */
export interface EditorActions {
  /** Shows something in the loaded page. */
  tell(request: EditorRequest): void;
  /** Brings the editor to the front. */
  reveal(): void;
  /** Shows the one file that was opened, or the whole model that it is part of. */
  openAlone(alone: boolean): Promise<void>;
}

/** One open editor. Requests made before its page has loaded wait for that page. */
export class EditorPage {
  private waiting: EditorRequest = {};
  private isLoaded = false;

  constructor(
    /** Key of the session that it shows. */
    readonly key: string,
    readonly actions: EditorActions,
  ) {}

  show(request: EditorRequest): void {
    if (this.isLoaded) this.actions.tell(request);
    else this.waiting = { ...this.waiting, ...request };
  }

  /** The page's initial state: the model, and what it was asked to show in the meantime. */
  loaded(state: EditorState): EditorState {
    const { tensor, tab } = this.waiting;
    this.waiting = {};
    this.isLoaded = true;
    return {
      ...state,
      ...(tensor === undefined ? {} : { reveal: tensor }),
      ...(tab === undefined ? {} : { tab }),
    };
  }
}

/** The open editors, most recently used first. */
export class Editors {
  private pages: readonly EditorPage[] = [];
  /** Requests for models whose editor did not exist yet. */
  private readonly early = new Map<string, EditorRequest>();

  add(page: EditorPage): void {
    this.use(page);
    const request = this.early.get(page.key);
    this.early.delete(page.key);
    if (request) page.show(request);
  }

  /** @returns whether it was the last editor of its model. */
  remove(page: EditorPage): boolean {
    this.pages = this.pages.filter((other) => other !== page);
    return !this.has(page.key);
  }

  use(page: EditorPage): void {
    this.pages = [page, ...this.pages.filter((other) => other !== page)];
  }

  has(key: string): boolean {
    return this.pages.some((page) => page.key === key);
  }

  /** Brings the model's editor that was used last to the front. @returns false when there is none. */
  reveal(key: string): boolean {
    const page = this.latest(key);
    page?.actions.reveal();
    return page !== undefined;
  }

  /** Shows something in the model's editor that was used last; or, if there is none, in the next one that opens. */
  show(key: string, request: EditorRequest): void {
    const page = this.latest(key);
    if (page) page.show(request);
    else this.early.set(key, request);
  }

  private latest(key: string): EditorPage | undefined {
    return this.pages.find((page) => page.key === key);
  }
}
