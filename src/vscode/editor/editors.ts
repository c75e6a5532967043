import type { CommandTab, EditorState } from '../../protocol/webview';

/** What a command wants to see in an editor. */
export interface EditorRequest {
  /** Tensor to select and scroll to. */
  readonly tensor?: string;
  readonly tab?: CommandTab;
}

/** One open editor. What is asked of it before its page has loaded waits, for this page and no other. */
export class EditorPage {
  private waiting: EditorRequest = {};
  private isLoaded = false;

  constructor(
    /** Key of the session that it shows. */
    readonly key: string,
    private readonly tell: (request: EditorRequest) => void,
    /** Shows the one file that was opened, or the whole model that it is part of. */
    readonly openAlone: (alone: boolean) => Promise<void> = () => Promise.resolve(),
  ) {}

  show(request: EditorRequest): void {
    if (this.isLoaded) this.tell(request);
    else this.waiting = { ...this.waiting, ...request };
  }

  /** The state that the page begins with: the model, and what it was asked to show meanwhile. */
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

/** The open editors, the one that was used last first. */
export class Editors {
  private pages: readonly EditorPage[] = [];
  /** Asked of a model whose editor was not there yet when its opening was reported. */
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

  /** Shows something in the model's editor that was used last; where there is none yet, in the next one that opens. */
  show(key: string, request: EditorRequest): void {
    const page = this.pages.find((item) => item.key === key);
    if (page) page.show(request);
    else this.early.set(key, request);
  }
}
