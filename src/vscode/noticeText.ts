/**
 * A message as notifications show it. VS Code makes links of `[text](address)` in them and runs the command that one names: what a file or an error
 * says must not become such a link.
 */
export const noticeText = (message: string): string => message.replaceAll('](', '] (');
