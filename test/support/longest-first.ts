import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Minutes each, the longest first: begun late, as vitest would by their size, one of them runs alone at the end. */
const long = ['add/proof', 'add/add', 'add/plop', 'create/create'].map((name) => `/${name}.test.ts`)

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
