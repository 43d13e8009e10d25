/**
 * Takes the place in the bundle of what node-plop and handlebars load at once and the command never calls: inquirer (it asks with
 * clack), the globs of addMany, plop's loading of other plopfiles, and source maps of templates.
 */
export default {}

/** @throws Error always: no action of the command is plop's own addMany */
export function globSync(): never {
  throw new Error('the bundle of create-mainstem holds no globs: see generator/left-out.ts')
}
