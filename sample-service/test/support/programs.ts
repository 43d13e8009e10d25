import { join } from 'node:path'

/** @param program the path of src/main.ts, of src/migrate.ts, or of the routes that a main serves in place of src/routes.ts */
export function programIn(folder: string, program: string): string {
  return join(folder, `${nameOf(program)}.js`)
}

/** The name of a program that test/programs.ts joins. All are in one folder. */
export function nameOf(path: string): string {
  return path.replace(/\.ts$/, '').replaceAll('/', '-')
}
