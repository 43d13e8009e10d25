/** What is wrong with this Node, and what to do; undefined if it is what package.json wants. */
export function nodeFault(): { readonly seen: string; readonly fix: string } | undefined
/** What else to do about packages that an install leaves out, to be read after the command; else empty. */
export function unlessProduction(): string
