/**
 * The names of contexts that live longer than a call: the root, and what the process hangs from it. A function takes
 * one in order to derive from it or to hand it to an object that lives as long; its own work is under `ctx`. Add a name
 * here when the service gets such a context: under any other name it is taken for the context of one call.
 */
export const lifetimes: ReadonlySet<string> = new Set(['root', 'server', 'serving', 'stop', 'working'])
