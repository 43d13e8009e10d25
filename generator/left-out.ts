/**
 * Replaces, in the bundle, modules that node-plop and handlebars import and the command never calls: inquirer (the command asks
 * with clack), the globs of addMany, plop's loading of other plopfiles, and source maps of templates.
 */
export default {}

/** @throws Error always: no action of the command is plop's own addMany */
export function globSync(): never {
  throw new Error('the bundle of create-mainstem does not contain globs: see generator/left-out.ts')
}
