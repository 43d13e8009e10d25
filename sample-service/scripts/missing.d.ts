/** What is wrong with this Node, and what to do; undefined if package.json accepts it. */
export function nodeFault(): { readonly seen: string; readonly fix: string } | undefined
/** A condition to append to the install command if the install would leave packages out; else empty. */
export function unlessProduction(): string
