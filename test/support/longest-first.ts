import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take longest. vitest sorts by size and would start some of them late, so one would run alone at the end. */
const long = [
  ...['emitted/dev-all-day', 'add/add', 'add/proof', 'add/plop', 'create/create'],
  ...['emitted/doctor', 'emitted/inspector', 'emitted/events'],
].map((name) => `/${name}.test.ts`)

/** The long files first, the others as vitest sorts them. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = long.findIndex((end) => moduleId.endsWith(end))
      return at < 0 ? long.length : at
    }
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
  }
}
